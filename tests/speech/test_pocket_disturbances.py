"""What the training recipe does to crops before they are heard: how loud, where, and that all at once is each alone."""

import math

import numpy as np
import pytest
import torch
from earspan.datasets.acoustics import coloured_noise, reverberate
from earspan.speech.pocket import disturbances as recipe
from earspan.speech.pocket.corpus import LongRecording
from earspan.speech.pocket.disturbances import Disturbance, babble, disturbed, draw_disturbance, with_gaps

NOBODY = torch.empty(0, 32_000)


def noise(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone() -> torch.Tensor:
    return 0.1 * torch.sin(torch.arange(32_000) * 0.3)


def draws(count: int, voice: str = "v", share: float = 1.0) -> list[Disturbance]:
    rng = np.random.default_rng(1)
    return [draw_disturbance(rng, voice, share, 200, 80) for _ in range(count)]


def test_talkers_of_babble_are_about_as_loud_as_each_other():
    """One in a low band and one, 40 dB louder, in a high one: of three to six in all, five at most are the other."""
    rng = np.random.default_rng(1)
    bins = np.fft.rfftfreq(64_000, 1 / 16_000)
    spectra = rng.standard_normal(len(bins)) + 1j * rng.standard_normal(len(bins))
    bands = [(bins > 500) & (bins < 1500), (bins > 3000) & (bins < 4000)]
    low, high = (np.fft.irfft(spectra * band, 64_000) for band in bands)
    corpus = [
        LongRecording((peak * sound / np.abs(sound).max()).astype(np.int16), "v", [])
        for peak, sound in ((300, low), (30_000, high))
    ]
    ratios_db = []
    for _ in range(50):
        power = np.abs(np.fft.rfft(babble(rng, corpus, 32_000))) ** 2
        heard = np.fft.rfftfreq(32_000, 1 / 16_000)
        one, other = power[heard < 2000].sum(), power[heard > 2500].sum()
        if min(one, other) > 1e-3 * max(one, other):  # both speak
            ratios_db.append(10 * math.log10(one / other))
    assert len(ratios_db) > 25
    assert max(map(abs, ratios_db)) < 6 + 10 * math.log10(5) + 1


@pytest.mark.parametrize(("share", "hard"), [(0.0, 0.0), (0.6, 0.8), (0.9, 1.0)])
def test_crops_of_hard_voices_are_noisy_more_often(share: float, hard: float):
    for voice, expected in (("flite:slt", hard), ("flite:awb", share)):
        drawn = draws(2000, voice, share)
        assert np.mean([bool(one.kind) for one in drawn]) == pytest.approx(expected, abs=0.04)
        assert np.mean([one.gap != (0, 0) for one in drawn]) == pytest.approx(expected, abs=0.04)


def test_kinds_come_as_often_as_stated_and_babble_only_where_somebody_speaks():
    kinds = [one.kind for one in draws(2000)]
    assert {kind: kinds.count(kind) / 2000 for kind in recipe.KINDS} == pytest.approx(recipe.KINDS, abs=0.04)
    assert {one.kind for one in draws(200, voice="")} == {"noise", "room"}


@pytest.mark.parametrize(("kind", "low_db", "high_db"), [("noise", 5, 40), ("babble", 3, 18)])
def test_what_is_added_is_as_loud_as_stated(kind: str, low_db: float, high_db: float):
    """A tone at one frequency; all that lies elsewhere was added, in each crop at a level of its own."""
    what = [one for one in draws(400) if one.kind == kind and one.tilt == 0]
    assert low_db <= min(one.below_db for one in what) < low_db + 5
    assert high_db - 5 < max(one.below_db for one in what) <= high_db
    talkers = torch.randn(len(what), 32_000, generator=noise(2))
    heard = disturbed(tone().repeat(len(what), 1), what, talkers, noise()).numpy()
    for one, samples in zip(what, heard, strict=True):
        spectrum = np.abs(np.fft.rfft(samples / np.float32(one.gain) * np.hanning(32_000))) ** 2
        peak = int(spectrum.argmax())
        signal = spectrum[peak - 5 : peak + 6].sum()
        found_db = 10 * math.log10(signal / (spectrum.sum() - signal))
        assert found_db == pytest.approx(one.below_db, abs=0.7)


def test_gain_and_tilt_are_all_that_befalls_a_quiet_crop():
    what = [Disturbance(0.5), Disturbance(1.5, tilt=0.4)]
    first, second = disturbed(tone().repeat(2, 1), what, NOBODY, noise())
    assert torch.equal(first, 0.5 * tone())
    previous = torch.cat([torch.zeros(1), tone()[:-1]])
    torch.testing.assert_close(second, 1.5 * (tone() - 0.4 * previous))
    assert float(disturbed(tone()[None], [Disturbance(100.0)], NOBODY, noise()).abs().max()) == 1


def test_a_room_is_what_its_click_says():
    """The answer to a click convolves speech as SciPy does; its energies are those asked for, and it fades by 60 dB."""
    rooms = [
        Disturbance(1.0, kind="room", below_db=200.0, rt60_s=rt60_s, direct_db=db)
        for rt60_s, db in ((0.2, 3.0), (0.6, 9.0))
    ]
    click = torch.zeros(2, 16_000)
    click[:, 0] = 0.5
    answers = 2 * disturbed(click, rooms, NOBODY, noise()).numpy()
    for room, answer in zip(rooms, answers, strict=True):
        assert answer[0] == pytest.approx(1, abs=1e-4)
        assert np.abs(answer[1:32]).max() < 1e-4
        assert -10 * math.log10(float((answer[1:] ** 2).sum())) == pytest.approx(room.direct_db, abs=0.1)
        end = round(room.rt60_s * 16_000)
        early, late = (float((answer[a : a + 800] ** 2).mean()) for a in (40, end - 840))
        expected_db = 60 * (end - 880) / end
        assert 10 * math.log10(early / late) == pytest.approx(expected_db, abs=2)
        assert np.abs(answer[end + 1 :]).max(initial=0) < 1e-4
    speech = torch.from_numpy(0.1 * np.random.default_rng(2).standard_normal((2, 16_000)).astype(np.float32))
    heard = disturbed(speech, rooms, NOBODY, noise()).numpy()
    for spoken, answer, found in zip(speech.numpy(), answers, heard, strict=True):
        np.testing.assert_allclose(found, np.clip(reverberate(spoken, answer), -1, 1), atol=2e-4)


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_noise_has_the_spectrum_of_the_acoustics(slope: float):
    """Octave by octave the same power as `coloured_noise`, within half a decibel at 2 dB a bin."""
    what = [Disturbance(1.0, kind="noise", below_db=-40.0, slope=slope)] * 20
    mine = disturbed(torch.zeros(20, 32_000), what, NOBODY, noise()).numpy()
    rng = np.random.default_rng(3)
    theirs = np.stack([coloured_noise(rng, 32_000, slope, recipe.AUDIBLE_HZ) for _ in range(20)])
    bins = np.fft.rfftfreq(32_000, 1 / 16_000)

    def octaves(samples: np.ndarray) -> np.ndarray:
        power = (np.abs(np.fft.rfft(samples / samples.std(1, keepdims=True))) ** 2).mean(0)
        return np.array([power[(bins >= low) & (bins < 2 * low)].sum() for low in 62.5 * 2.0 ** np.arange(7)])

    np.testing.assert_allclose(10 * np.log10(octaves(mine) / octaves(theirs)), 0, atol=0.6)


def test_crops_together_are_disturbed_as_alone():
    """All but the samples of noise: what happens to a crop does not depend on its neighbours."""
    what = [
        Disturbance(0.8, tilt=0.2),
        Disturbance(1.0, kind="babble", below_db=6.0),
        Disturbance(0.3),
        Disturbance(0.9, kind="babble", below_db=12.0),
    ]
    audio, talkers = torch.randn(4, 32_000, generator=noise(4)) * 0.1, torch.randn(2, 32_000, generator=noise(5))
    together = disturbed(audio, what, talkers, noise())
    for row, mine in enumerate((NOBODY, talkers[:1], NOBODY, talkers[1:])):
        alone = disturbed(audio[row : row + 1], [what[row]], mine, noise())
        torch.testing.assert_close(alone[0], together[row])
    assert torch.equal(audio, torch.randn(4, 32_000, generator=noise(4)) * 0.1)  # and what was given stays


def test_gaps_are_where_they_were_drawn():
    mel = torch.randn(2, 80, 200, generator=noise())
    heard = with_gaps(mel, [Disturbance(1.0), Disturbance(1.0, band=(70, 80), gap=(190, 209))])
    assert torch.equal(heard[0], mel[0])
    left_out = torch.zeros(80, 200, dtype=torch.bool)
    left_out[70:] = left_out[:, 190:] = True
    assert torch.equal(heard[1][~left_out], mel[1][~left_out])
    assert heard[1][left_out].unique().tolist() == [pytest.approx(float(mel[1].mean()))]
    bands, gaps = zip(*((one.band, one.gap) for one in draws(300)), strict=True)
    assert all(0 <= high - low <= recipe.WIDEST_BAND and high <= 80 for low, high in bands)
    assert all(0 <= begin < 200 and 1 <= end - begin < recipe.LONGEST_GAP for begin, end in gaps)
