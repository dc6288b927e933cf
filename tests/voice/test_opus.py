"""The binding against libopus itself: fidelity, concealment, FEC, and refusal of rubbish."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DriverUnavailable, LocalProtocolError, RemoteProtocolError
from gateway.voice import opus
from gateway.voice.opus import Decoder, Encoder, ticks_of

RATES = (8_000, 12_000, 16_000, 24_000, 48_000)


def speech(rate, seconds=2.0):
    """A voiced sound with syllables: a buzz that glides about 140 Hz, louder four times a second."""
    at = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * (140 * at + 5 * np.sin(2 * np.pi * 0.7 * at))
    buzz = sum(np.sin(n * phase) / n for n in range(1, 20))
    return (buzz * 4000 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))).astype(np.int16)


def blocks(samples, rate):
    size = rate // 50
    return [samples[n : n + size] for n in range(0, len(samples) - size + 1, size)]


def likeness(sent, heard, rate):
    """Correlation at the best delay, and that delay in seconds."""
    sent = sent[: len(heard)].astype(float)
    delays = range(int(rate * 0.02))
    best = max(delays, key=lambda d: np.dot(heard[d : d + rate], sent[:rate]))
    a, b = heard[best:].astype(float), sent[: len(heard) - best]
    return np.corrcoef(a, b)[0, 1], best / rate


@pytest.mark.parametrize("rate", RATES)
def test_speech_comes_back_alike_within_the_look_ahead(rate):
    encoder, decoder = Encoder(rate), Decoder(rate)
    sent = speech(rate)
    heard = np.concatenate([decoder.decode(encoder.encode(b)) for b in blocks(sent, rate)])
    alike, delay = likeness(sent, heard, rate)
    assert alike > 0.8
    assert delay == pytest.approx(0.0065, abs=0.0015)


@pytest.mark.parametrize("rate", RATES)
def test_every_packet_plays_20_ms(rate):
    encoder, decoder = Encoder(rate), Decoder(rate)
    for block in blocks(speech(rate, 0.5), rate):
        packet = encoder.encode(block)
        assert ticks_of(packet) == 960
        assert decoder.decode(packet).shape == (rate // 50,)


def test_silence_is_sent_too_since_there_is_no_dtx():
    encoder = Encoder(16_000)
    assert all(len(encoder.encode(np.zeros(320, np.int16))) > 2 for _ in range(100))


def test_the_bit_rate_of_the_talkgroup_is_kept():
    encoder = Encoder(16_000)
    for bitrate in (12_000, 16_000, 24_000):
        encoder.begin(bitrate)
        sizes = [len(encoder.encode(b)) for b in blocks(speech(16_000, 4.0), 16_000)]
        assert np.mean(sizes) * 8 * 50 == pytest.approx(bitrate, rel=0.25)


def test_a_lost_packet_is_recovered_from_the_next_one_better_than_concealed():
    rng = np.random.default_rng(7)
    # Speech-like noise cannot be guessed by concealment; only FEC knows it.
    sent = (
        rng.normal(0, 1, 64_000).cumsum() * 50 % 8000 - 4000 + speech(16_000, 4.0) * 0.3
    ).astype(np.int16)
    encoder = Encoder(16_000, 24_000)
    packets = [encoder.encode(b) for b in blocks(sent, 16_000)]
    whole, repaired, concealed = Decoder(16_000), Decoder(16_000), Decoder(16_000)
    errors = {"fec": 0.0, "plc": 0.0}
    for n, packet in enumerate(packets[:-1]):
        truth = whole.decode(packet)
        if n % 10 == 9:
            fec, plc = repaired.recover(packets[n + 1], 960), concealed.conceal(960)
            assert len(fec) == len(plc) == 320
            errors["fec"] += float(np.sum((truth - fec.astype(float)) ** 2))
            errors["plc"] += float(np.sum((truth - plc.astype(float)) ** 2))
        else:
            repaired.decode(packet)
            concealed.decode(packet)
    assert errors["fec"] < 0.6 * errors["plc"]


def test_a_new_burst_begins_as_if_nothing_had_been_before():
    packets = [Encoder(16_000).encode(b) for b in blocks(speech(16_000, 0.2), 16_000)]
    used, fresh = Decoder(16_000), Decoder(16_000)
    for packet in packets:
        used.decode(packet)
    used.begin()
    assert np.array_equal(used.decode(packets[0]), fresh.decode(packets[0]))
    encoder = Encoder(16_000, 24_000)
    first = encoder.encode(speech(16_000)[:320])
    encoder.begin(24_000)
    assert encoder.encode(speech(16_000)[:320]) == first


def test_what_was_decoded_stays_after_the_next_packet():
    encoder, decoder = Encoder(16_000), Decoder(16_000)
    first, second = (encoder.encode(b) for b in blocks(speech(16_000, 0.04), 16_000))
    kept = decoder.decode(first)
    copy = kept.copy()
    decoder.decode(second)
    assert np.array_equal(kept, copy)


# RFC 6716, table 2: configuration, frames, milliseconds.
@pytest.mark.parametrize(
    ("packet", "milliseconds"),
    [
        ("00", 10), ("08", 20), ("10", 40), ("18", 60), ("48", 20), ("58", 60),
        ("60", 10), ("68", 20), ("78", 20), ("80", 2.5), ("88", 5), ("90", 10), ("98", 20), ("f8", 20),
        ("490000", 40), ("4a0100", 40), ("4b03", 60), ("4b86", 120), ("83b0", 120),
    ],
)  # fmt: skip
def test_the_length_of_a_packet_is_read_from_its_first_bytes(packet, milliseconds):
    assert ticks_of(bytes.fromhex(packet)) == milliseconds * 48


@pytest.mark.parametrize("packet", ["", "4b", "4b00", "4b07", "1b03", "83b1"])
def test_a_packet_that_opus_forbids_has_no_length(packet):
    with pytest.raises(RemoteProtocolError):
        ticks_of(bytes.fromhex(packet))


@given(st.binary(min_size=1, max_size=1400))
def test_garbage_decodes_to_samples_or_a_protocol_error(data):
    decoder = Decoder(16_000)
    try:
        ticks = ticks_of(data)
        samples = decoder.decode(data)
    except RemoteProtocolError:
        return
    assert len(samples) * 3 == ticks


@given(st.binary(min_size=1, max_size=300))
def test_garbage_as_the_packet_after_a_loss_gives_the_missing_length_or_a_protocol_error(data):
    try:
        samples = Decoder(16_000).recover(data, 960)
    except RemoteProtocolError:
        return
    assert len(samples) == 320


@pytest.mark.parametrize("codec", [Encoder, Decoder])
def test_a_rate_that_opus_does_not_have_is_our_own_error(codec):
    with pytest.raises(LocalProtocolError, match="44100"):
        codec(44_100)


def test_a_block_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError):
        Encoder(16_000).encode(np.zeros(160, np.int16))


def test_without_libopus_the_error_names_the_package(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    opus._library.cache_clear()
    try:
        with pytest.raises(DriverUnavailable, match="libopus0") as caught:
            Encoder(16_000)
        assert caught.value.package == "libopus0"
    finally:
        opus._library.cache_clear()
