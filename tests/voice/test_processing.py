"""What is done to captured audio, against analytic curves and sample-by-sample recursions."""

import numpy as np
import pytest

from gateway.voice.processing.agc import Agc, AgcOptions
from gateway.voice.processing.chain import Chain, ProcessingOptions
from gateway.voice.processing.designs import dc_block, de_emphasis, high_pass
from gateway.voice.processing.emphasis import PreEmphasis
from gateway.voice.processing.look_ahead import LookAhead
from gateway.voice.processing.recursion import BlockFilter

RATES = [8_000, 16_000, 44_100, 48_000]
AGC = AgcOptions(target_dbfs=-20.0, max_gain_db=20.0, attack=0.1, release=1.0)


def noise(count, rms=3000.0, seed=1):
    return np.random.default_rng(seed).normal(0, rms, count)


def sine(hertz, seconds, peak, rate=16_000):
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def sample_by_sample(sections, samples):
    """Direct form I, as any book has it."""
    for s in sections:
        filtered = np.zeros(len(samples))
        u1 = u2 = y1 = y2 = 0.0
        for n, u in enumerate(samples):
            y = s.b0 * u + s.b1 * u1 + s.b2 * u2 - s.a1 * y1 - s.a2 * y2
            u1, u2, y1, y2 = u, u1, y, y1
            filtered[n] = y
        samples = filtered
    return samples


def gain_db(sections, hertz, rate):
    found = np.prod([s.response(np.array([float(hertz)]), rate) for s in sections], axis=0)
    return float(20 * np.log10(np.abs(found[0]) + 1e-12))


def level_dbfs(samples):
    return 10 * np.log10(np.mean(samples.astype(float) ** 2) / 32768**2)


def run(chain, samples, is_open=True):
    size = chain._length
    return np.concatenate(
        [
            chain.block(samples[at : at + size].astype(np.int16), is_open=is_open)
            for at in range(0, len(samples) - size + 1, size)
        ]
    )


# Filters


@pytest.mark.parametrize("rate", RATES)
def test_filtering_by_blocks_is_filtering_sample_by_sample(rate):
    sections = [dc_block(rate), *high_pass(300, rate), de_emphasis(rate)]
    samples = noise(rate // 50 * 5)
    by_blocks = BlockFilter(sections, rate // 50)
    made = np.concatenate([by_blocks.block(block) for block in samples.reshape(5, -1)])
    assert np.abs(made - sample_by_sample(sections, samples)).max() < 1e-6


def test_a_filter_measured_with_sines_has_its_curve():
    sections = high_pass(300, 16_000)
    for hertz in (250, 300, 1000):
        by_blocks = BlockFilter(sections, 320)
        samples = sine(hertz, 1.0, 10_000)
        made = np.concatenate([by_blocks.block(block) for block in samples.reshape(50, -1)])
        measured = level_dbfs(made[8000:]) - level_dbfs(samples[8000:])
        assert measured == pytest.approx(gain_db(sections, hertz, 16_000), abs=0.05)


@pytest.mark.parametrize("rate", RATES)
def test_the_dc_block_takes_an_offset_away_and_is_3_db_down_at_20_hz(rate):
    section = [dc_block(rate)]
    assert gain_db(section, 0, rate) < -200
    assert gain_db(section, 20, rate) == pytest.approx(-3.01, abs=0.05)
    assert gain_db(section, 300, rate) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("rate", RATES)
def test_the_high_pass_takes_every_ctcss_tone_away_and_leaves_what_is_above_300_hz(rate):
    sections = high_pass(300, rate)
    for tone in np.arange(67, 254.2, 0.5):
        assert gain_db(sections, tone, rate) <= -39.9
    for hertz in np.arange(300, 3401, 10):
        assert -0.51 <= gain_db(sections, hertz, rate) <= 0.01


@pytest.mark.parametrize("edge", [100.0, 300.0, 1000.0])
def test_other_edges_have_the_same_shape(edge):
    sections = high_pass(edge, 16_000)
    assert gain_db(sections, edge, 16_000) == pytest.approx(-0.5, abs=0.02)
    assert gain_db(sections, 0.84 * edge, 16_000) <= -39.9


@pytest.mark.parametrize(("rate", "error"), [(8_000, 1.0), (16_000, 0.5), (48_000, 0.1)])
def test_de_emphasis_is_one_pole_at_300_hz_and_changes_nothing_at_1_khz(rate, error):
    section = [de_emphasis(rate)]
    assert gain_db(section, 1000, rate) == pytest.approx(0, abs=0.2)
    below = gain_db(section, 1, rate)
    assert gain_db(section, 300, rate) == pytest.approx(below - 3.01, abs=0.05)
    for hertz in (100, 300, 600, 1000, 2000, 3000):
        analytic = below - 10 * np.log10(1 + (hertz / 300) ** 2)
        assert gain_db(section, hertz, rate) == pytest.approx(analytic, abs=error)
    octave = gain_db(section, 1000, rate) - gain_db(section, 2000, rate)
    assert octave == pytest.approx(5.77, abs=0.45)  # 6 dB less what is left of the corner


def test_de_emphasis_undoes_what_a_transmitter_does():
    brighter, duller = PreEmphasis(48_000), BlockFilter([de_emphasis(48_000)], 960)
    for hertz in (300, 1000, 2000):
        samples = sine(hertz, 0.4, 3000, 48_000).astype(np.int16).reshape(20, -1)
        made = np.concatenate([duller.block(brighter.block(one).astype(float)) for one in samples])
        assert level_dbfs(made[9600:]) == pytest.approx(level_dbfs(samples), abs=1.5)


# Automatic gain


def talk(level, seconds, rate=16_000):
    """Four words a second with gaps of 50 ms, at that loudness."""
    spoken = noise(round(seconds * rate), 32768 * 10 ** (level / 20))
    gaps = np.arange(len(spoken)) % (rate // 4) >= rate // 5
    spoken[gaps] *= 0.001
    return spoken


def gains(agc, samples, is_open=True):
    found = []
    for block in samples.reshape(-1, 320):
        agc.block(block, is_open=is_open)
        found.append(agc.gain_db)
    return np.array(found)


@pytest.mark.parametrize("level", [-38.0, -30.0, -20.0, -10.0])
def test_talkers_of_any_loudness_come_out_at_the_target(level):
    agc = Agc(AGC)
    samples = talk(level, 6)
    made = np.concatenate([agc.block(block, is_open=True) for block in samples.reshape(-1, 320)])
    loud = made[5 * 16_000 :]
    loud = loud[np.abs(samples[5 * 16_000 :]) > 32768 * 10 ** (level / 20) * 0.01]
    assert level_dbfs(loud) == pytest.approx(-20, abs=1.5)


def test_a_loud_talker_after_a_soft_one_is_down_within_a_third_of_a_second():
    agc = Agc(AGC)
    gains(agc, talk(-38, 6))
    assert agc.gain_db == pytest.approx(18, abs=1)
    after = gains(agc, talk(-14, 1))
    assert after[round(0.4 / 0.02)] <= -6 + 3


def test_a_soft_talker_after_a_loud_one_is_up_within_four_seconds_of_speech():
    agc = Agc(AGC)
    gains(agc, talk(-14, 2))
    assert gains(agc, talk(-34, 5))[200] >= 14 - 3


def test_the_gain_has_its_bounds():
    agc = Agc(AGC)
    assert gains(agc, talk(-50, 20))[-1] == 20.0
    assert gains(agc, talk(0, 20))[-1] >= -20.0


def test_pauses_and_steady_noise_do_not_move_it():
    agc = Agc(AGC)
    gains(agc, talk(-30, 6))
    before = agc.gain_db
    assert set(gains(agc, np.zeros(16_000))) == {before}
    hiss = gains(agc, noise(10 * 16_000, 32768 * 10 ** (-45 / 20)))
    # Until it is known for noise it may count as speech, for two seconds at most.
    assert hiss[-1] == hiss[110]
    assert abs(hiss[-1] - before) <= 12


def test_a_closed_squelch_does_not_move_it_however_loud_the_receiver_hisses():
    agc = Agc(AGC)
    gains(agc, talk(-30, 3))
    before = agc.gain_db
    assert set(gains(agc, talk(-5, 3), is_open=False)) == {before}


def test_the_gain_never_jumps():
    agc = Agc(AGC)
    samples = np.full(320 * 50, 3000.0)
    made = np.concatenate([agc.block(block, is_open=True) for block in samples.reshape(-1, 320)])
    steps = np.abs(np.diff(made))
    assert steps.max() <= 2 * 3000 * 0.9 / 320


# Limiter


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ceiling", [-1.0, -6.0])
def test_nothing_is_above_the_ceiling_whatever_comes(rate, ceiling):
    size = rate // 50
    limiter = LookAhead(ceiling, size)
    samples = noise(size * 50, 20_000) * (np.arange(size * 50) % (7 * size) > 3 * size)
    samples[::977] = 300_000
    made = np.concatenate([limiter.block(block) for block in samples.reshape(50, -1)])
    assert np.abs(made).max() <= 32768 * 10 ** (ceiling / 20) + 1e-6


def test_what_is_soft_passes_unchanged_and_five_milliseconds_later():
    limiter = LookAhead(-1.0, 320)
    samples = noise(320 * 10, 2000)
    made = np.concatenate([limiter.block(block) for block in samples.reshape(10, -1)])
    assert limiter.delay == 0.25
    assert np.array_equal(made[80:], samples[:-80])


def test_its_gain_is_a_line_without_jumps_down_at_once_and_up_at_20_db_a_second():
    limiter = LookAhead(-6.0, 320)
    samples = np.full(320 * 100, 8_000.0)
    samples[320 * 20 : 320 * 30] = 30_000.0
    made = np.concatenate([limiter.block(block) for block in samples.reshape(100, -1)])
    gain = made[80:] / samples[:-80]
    assert np.abs(np.diff(gain)).max() <= 0.5 / 80
    assert gain[320 * 20 - 81] == pytest.approx(1.0)
    assert gain[320 * 20] == pytest.approx(16_423 / 30_000, rel=1e-3)
    risen = 20 * np.log10(gain[320 * 40] / gain[320 * 30 + 160])
    assert risen == pytest.approx(20 * 0.19, abs=0.2)


# The whole


def test_without_a_step_blocks_pass_as_they_are():
    samples = noise(3200).astype(np.int16)
    assert np.array_equal(run(Chain(ProcessingOptions(), 16_000), samples), samples)


def test_without_a_limiter_too_loud_is_cut_off_and_never_wraps_around():
    chain = Chain(ProcessingOptions(de_emphasis=True), 16_000)
    made = run(chain, sine(100, 0.4, 32_000))
    assert made.max() == 32_767
    assert made.min() == -32_767
    loud = np.abs(made[:-1].astype(int)) > 30_000
    assert np.abs(np.diff(made.astype(int)))[loud].max() < 20_000


def test_a_tone_and_an_offset_are_gone_and_speech_is_at_its_target():
    options = ProcessingOptions(dc_block=True, high_pass_hz=300.0, agc=AGC, limiter_dbfs=-1.0)
    speech = talk(-34, 8)
    dirty = speech + sine(250.3, 8, 3000) + 2000
    made = run(Chain(options, 16_000), np.clip(dirty, -32768, 32767))[6 * 16_000 :].astype(float)
    assert abs(made.mean()) < 20
    spectrum = np.abs(np.fft.rfft(made)) / len(made) * 2
    tone = spectrum[np.abs(np.fft.rfftfreq(len(made), 1 / 16_000) - 250.3) < 1].max()
    assert 20 * np.log10(tone / 3000) <= -25  # 40 dB less, with up to 15 dB of gain after it
    loud = made[np.abs(speech[6 * 16_000 :]) > 32768 * 10 ** (-34 / 20) * 0.02]
    assert level_dbfs(loud) == pytest.approx(-20, abs=2)


def test_an_edge_between_two_blocks_cannot_be_heard():
    chain = Chain(
        ProcessingOptions(dc_block=True, high_pass_hz=300.0, de_emphasis=True, limiter_dbfs=-1.0),
        16_000,
    )
    made = run(chain, sine(1000, 1.0, 8000))[8000:].astype(int)
    bends = np.abs(np.diff(made, 2))
    edges = bends[np.arange(len(bends)) % 320 >= 318]
    assert edges.max() <= bends.max()
    assert bends.max() <= 8000 * (2 * np.pi * 1000 / 16_000) ** 2 * 1.1
