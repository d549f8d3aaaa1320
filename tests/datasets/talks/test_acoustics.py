"""Rooms and noise against closed forms: SNR, spectrum, energies, decay, and that the direct sound stays in place."""

import numpy as np
import pytest
from earspan.datasets.audio import SAMPLE_RATE
from earspan.datasets.talks.acoustics import add_at_snr, coloured_noise, reverberate, room_response
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate


def power_db(audio: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(audio.astype(np.float64) ** 2)))


def noise(seed: int, samples: int = SAMPLE_RATE) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples, dtype=np.float32)


@settings(max_examples=30)
@given(st.floats(-10, 40), st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_snr_is_what_was_asked_for(snr_db: float, loudness: float, noise_loudness: float):
    audio, other = loudness * noise(1), noise_loudness * noise(2)
    added = add_at_snr(audio, other, snr_db) - audio
    assert power_db(audio) - power_db(added) == pytest.approx(snr_db, abs=0.05)
    assert np.corrcoef(added, other)[0, 1] > 0.999  # the noise itself, scaled


def test_silence_stays_silent():
    silence = np.zeros(1000, np.float32)
    assert not add_at_snr(silence, noise(3, 1000), 10.0).any()
    assert np.array_equal(add_at_snr(noise(3, 1000), silence, 10.0), noise(3, 1000))


@pytest.mark.parametrize(("slope", "octave_db"), [(0.0, 3.01), (0.5, 0.0), (1.0, -3.01)])
def test_the_colour_of_noise_by_octaves(slope: float, octave_db: float):
    """Power per hertz falls as `f ** (-2 * slope)` and octaves double in width: pink has the same power in each."""
    audio = coloured_noise(np.random.default_rng(4), 8 * SAMPLE_RATE, slope)
    assert audio.dtype == np.float32
    assert power_db(audio) == pytest.approx(0.0, abs=0.05)
    power = np.abs(np.fft.rfft(audio)) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    octaves = [power[(hertz >= low) & (hertz < 2 * low)].sum() for low in (125, 250, 500, 1000, 2000, 4000)]
    assert power[0] == pytest.approx(0.0, abs=1e-3)
    assert np.diff(10 * np.log10(octaves)) == pytest.approx([octave_db] * 5, abs=0.6)


def test_noise_begins_where_it_is_told_to():
    audio = coloured_noise(np.random.default_rng(4), 8 * SAMPLE_RATE, 0.5, 50.0)
    power = np.abs(np.fft.rfft(audio.astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    assert power_db(audio) == pytest.approx(0.0, abs=0.05)
    assert power[hertz < 50].sum() < 1e-9 * power.sum()


@pytest.mark.parametrize("rt60_s", [0.3, 0.45, 0.6])
@pytest.mark.parametrize("direct_to_reverberant_db", [3.0, 6.0])
def test_a_room_decays_as_its_rt60_says(rt60_s: float, direct_to_reverberant_db: float):
    response = room_response(np.random.default_rng(5), rt60_s, direct_to_reverberant_db)
    energy = response.astype(np.float64) ** 2
    assert (response.dtype, response[0]) == (np.float32, 1.0)
    assert 10 * np.log10(energy[0] / energy[1:].sum()) == pytest.approx(direct_to_reverberant_db, abs=0.01)
    assert not response[1 : int(0.002 * SAMPLE_RATE)].any()
    # Schroeder's backward integration (1965): the slope from -5 to -35 dB, drawn out to -60 dB.
    left_db = 10 * np.log10(np.cumsum(energy[:0:-1])[::-1] / energy[1:].sum())
    within = np.flatnonzero((left_db < -5) & (left_db > -35))
    decibels_a_second = np.polyfit(within / SAMPLE_RATE, left_db[within], 1)[0]
    assert -60 / decibels_a_second == pytest.approx(rt60_s, rel=0.06)


def test_a_click_is_heard_as_the_response_and_nothing_comes_before_it():
    response = room_response(np.random.default_rng(6), 0.3, 4.0)
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[5000] = 1.0
    heard = reverberate(click, response)
    assert (heard.shape, heard.dtype) == (click.shape, np.float32)
    assert np.abs(heard[:5000]).max() < 1e-5
    assert heard[5000 : 5000 + len(response)] == pytest.approx(response, abs=1e-5)
    late = np.zeros(SAMPLE_RATE, np.float32)
    late[-100] = 1.0
    assert reverberate(late, response)[-100:] == pytest.approx(response[:100], abs=1e-5)  # cut, not wrapped round


@pytest.mark.parametrize("direct_to_reverberant_db", [3.0, 6.0])
def test_the_direct_sound_stays_in_place(direct_to_reverberant_db: float):
    audio = noise(7)
    heard = reverberate(audio, room_response(np.random.default_rng(8), 0.6, direct_to_reverberant_db))
    assert int(np.argmax(correlate(heard, audio, method="fft"))) == len(audio) - 1
    assert reverberate(audio, np.ones(1, np.float32)) == pytest.approx(audio, abs=1e-5)
