"""Our Ogg Opus files: tags, what others make of them, and what is left of one that was cut off."""

import contextlib
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.voice.opus_toc import fillers
from gateway.voice.recording.facts import Recording, export_name, file_of, identifier, part_of
from gateway.voice.recording.ogg import MAX_PAGE_BYTES, pages
from gateway.voice.recording.opus_file import (
    BEGINNING,
    HEAD_BYTES,
    Head,
    Stream,
    beginning,
    comments_of,
    content_of,
    mended,
    recording_of,
    serial_of,
    summary_of,
    tags_from_bytes,
    tags_page,
    tags_to_bytes,
)
from tests.voice.recording import rec_world
from tests.voice.recording.test_ogg import OPUSENC

WALL = 1_795_499_108.123  # 2026-11-24T05:45:08.123Z
INCIDENT = "0190a5c0-0000-7000-8000-000000000001"


def recording(**changes):
    plain = Recording(
        id=identifier(WALL, 0x9F3A1B2C),
        kind="burst",
        talkgroup="police-xiaoying",
        talker="zju1/police-radio",
        gateway="center",
        started=WALL,
        packets=100,
        whole=True,
    )
    return replace(plain, **changes)


def a_file(about, payloads, a_page=50):
    stream = Stream(serial_of(about))
    data = beginning(about)
    for at in range(0, len(payloads), a_page):
        last = at + a_page >= len(payloads)
        data += stream.pages(payloads[at : at + a_page], last=last)
    return data


def payloads(blocks=130):
    return [payload for payload, _ in rec_world.speech(blocks)]


def test_the_header_is_as_rfc_7845_has_it():
    packet = next(pages(beginning(recording())))[1].packets[0]
    # Version 1, one channel, 312 ticks of pre-skip, unknown rate, gain 0, mapping family 0.
    assert packet == b"OpusHead" + bytes.fromhex("01 01 3801 00000000 0000 00")
    assert Head.from_bytes(packet) == Head(channels=1, pre_skip=312)


def test_the_tags_of_opusenc_are_read():
    content = content_of(OPUSENC)
    assert content.head == Head(channels=1, pre_skip=312)
    assert content.comments["ENCODER"] == "opusenc from opus-tools 0.2"
    assert content.ended
    assert len(content.payloads) == 6


@pytest.mark.parametrize(
    "about",
    [
        recording(),
        recording(kind="pre-alarm", talkgroup=None, incident=INCIDENT, drill=True),
        recording(lost=3, whole=False, talker="a-client-alone"),
        recording(
            talkgroup="incident-" + INCIDENT, talker=f"{'g' * 64}/{'e' * 64}", gateway="g" * 64
        ),
    ],
)
def test_tags_say_all_of_a_recording(about):
    page = next(pages(tags_page(about)))[1]
    vendor, comments = tags_from_bytes(page.packets[0])
    assert vendor == "baiying"
    assert recording_of(comments, 4800) == replace(about, ticks=4800)
    assert len(beginning(about)) == BEGINNING


def test_tags_are_golden():
    assert tags_to_bytes("v", {"A": "b", "LOST": "3"}) == (
        b"OpusTags\1\0\0\0v\2\0\0\0\3\0\0\0A=b\6\0\0\0LOST=3"
    )
    assert comments_of(recording(incident=INCIDENT, lost=2)) == {
        "TITLE": "police-xiaoying: zju1/police-radio",
        "DATE": "2026-11-24T05:45:08.123Z",
        "ID": "20261124T054508-9f3a1b2c",
        "KIND": "burst",
        "TALKER": "zju1/police-radio",
        "GATEWAY": "center",
        "PACKETS": "100",
        "LOST": "2",
        "WHOLE": "yes",
        "DRILL": "no",
        "TALKGROUP": "police-xiaoying",
        "INCIDENT": INCIDENT,
    }


def test_every_truncation_of_tags_is_a_protocol_error():
    packet = tags_to_bytes("baiying", comments_of(recording()))
    for length in range(len(packet)):
        with pytest.raises(RemoteProtocolError):
            tags_from_bytes(packet[:length])


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error(data):
    for read in (tags_from_bytes, Head.from_bytes, content_of, lambda it: summary_of(it, it)):
        with pytest.raises(RemoteProtocolError):
            read(data)
    assert mended(data) is None


@given(st.binary(max_size=200))
def test_garbage_after_the_magic_is_a_protocol_error_or_tags(data):
    with contextlib.suppress(RemoteProtocolError):
        tags_from_bytes(b"OpusTags" + data)


def test_too_long_tags_are_refused_to_be_written():
    with pytest.raises(LocalProtocolError):
        tags_page(recording(talkgroup="x" * 2000))


def test_a_title_of_a_rogue_client_is_cut_short():
    tags_page(recording(talker="x" * 60_000))


def test_another_header_version_is_refused():
    packet = b"OpusHead" + struct.pack("<BBHIhB", 16, 1, 312, 0, 0, 0)
    with pytest.raises(RemoteProtocolError):
        Head.from_bytes(packet)


@pytest.mark.parametrize("decoder", ["opus", "libopus"])
def test_ffmpeg_decodes_it_without_a_warning_to_the_sample(tmp_path, decoder):
    path = tmp_path / "one.opus"
    path.write_bytes(a_file(recording(), payloads()))
    samples, said = rec_world.ffmpeg(path, decoder)
    assert said == ""
    assert len(samples) == 130 * 960 - 312


def test_opusinfo_finds_nothing_wrong_with_it_and_shows_the_tags(tmp_path):
    sent = payloads()
    sent[40:45] = fillers(sent[39], 5 * 960)
    path = tmp_path / "one.opus"
    path.write_bytes(a_file(recording(lost=5, incident=INCIDENT), sent))
    status, said = rec_world.opusinfo(path)
    assert status == 0
    assert "WARNING" not in said.upper()
    assert "Playback length: 0m:02.593s" in said
    for tag in ("LOST=5", f"INCIDENT={INCIDENT}", "TALKER=zju1/police-radio"):
        assert tag in said


@pytest.mark.parametrize("decoder", ["opus", "libopus"])
def test_what_is_lost_keeps_its_length_without_a_warning(tmp_path, decoder):
    sent = payloads()
    whole = tmp_path / "whole.opus"
    whole.write_bytes(a_file(recording(), sent))
    sent[30:60] = fillers(sent[29], 30 * 960)
    gap = tmp_path / "gap.opus"
    gap.write_bytes(a_file(recording(lost=30), sent))
    before, _ = rec_world.ffmpeg(whole, decoder)
    after, said = rec_world.ffmpeg(gap, decoder)
    assert said == ""
    assert len(after) == len(before)
    # What follows a gap is where it was.
    assert rec_world.likeness(before[70 * 960 :], after[70 * 960 :]) > 0.95
    assert rec_world.likeness(before[: 29 * 960], after[: 29 * 960]) > 0.999


def test_its_summary_needs_its_first_and_last_page_only():
    data = a_file(recording(), payloads(1000))
    found = summary_of(data[:BEGINNING], data[-MAX_PAGE_BYTES:])
    assert found == recording(ticks=1000 * 960)
    with pytest.raises(RemoteProtocolError):
        summary_of(data[:BEGINNING], data[-MAX_PAGE_BYTES:-1])


@pytest.mark.parametrize("missing", [1, 100, 2000])
def test_a_file_that_was_cut_off_is_mended_up_to_its_last_page(tmp_path, missing):
    data = a_file(replace(recording(), packets=0, whole=False), payloads())[:-missing]
    kept, found = mended(data)
    assert found.ticks in (50 * 960, 100 * 960)
    assert found.packets == found.ticks // 960
    assert not found.whole
    assert summary_of(kept[:BEGINNING], kept) == found
    path = tmp_path / "one.opus"
    path.write_bytes(kept)
    samples, said = rec_world.ffmpeg(path)
    assert said == ""
    assert len(samples) == found.ticks - 312


def test_a_file_that_lacks_only_its_name_is_kept_as_it_is():
    data = a_file(recording(lost=2), payloads())
    kept, found = mended(data)
    assert kept == data
    assert found == recording(lost=2, ticks=130 * 960)


def test_a_file_with_no_sound_in_it_is_not_kept():
    assert mended(beginning(recording())) is None
    assert mended(beginning(recording())[: HEAD_BYTES + 10]) is None
    assert mended(b"") is None


def test_names_say_talkgroup_time_talker_incident_and_loss():
    about = recording(incident=INCIDENT, lost=3)
    assert file_of(about) == (
        "police-xiaoying/20261124T054508-9f3a1b2c_zju1.police-radio"
        f"_incident-{INCIDENT}_lost-3.opus"
    )
    assert part_of(about) == "police-xiaoying/20261124T054508-9f3a1b2c.part"
    assert export_name(recording(), ".wav") == (
        "20261124T054508.123Z_police-xiaoying_zju1.police-radio.wav"
    )


@pytest.mark.parametrize(
    "talker", ["../../etc/passwd", "a/../b", "A B\0C", "x" * 5000, "吹哨/台", ""]
)
def test_no_name_leads_elsewhere_or_is_too_long(talker):
    about = recording(talker=talker, talkgroup="../up", incident=INCIDENT, lost=10**6)
    folder, _, name = file_of(about).partition("/")
    assert "/" not in name
    assert not {".", ".."} & {folder, name}
    assert len(name.encode()) <= 255
    assert len(export_name(about, ".opus").encode()) <= 255 + 64
