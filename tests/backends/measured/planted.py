"""A machine whose times are a known function: planted profiles of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from earspan.backends.measured.profile import SCHEMA, Machine, Point, Profile
from earspan.backends.workload.models import DIMENSIONS

BATCHES, KEYS, FED = (1, 2, 4, 8), (10.0, 100.0, 400.0), (1.0, 64.0, 416.0)
MACHINE = Machine("planted", 2, "planted", {}, "2026-11-29T00:00:00+00:00")


def mel_s(audio_s: float) -> float:
    return 0.001 + 0.0003 * audio_s


def encode_s(batch: float) -> float:
    return 0.02 + 0.1 * batch


def prefill_s(batch: float, fed: float) -> float:
    return 0.01 + 0.004 * batch + 0.0001 * fed


def step_s(batch: float, keys: float) -> float:
    return 0.004 + 0.0005 * batch + 0.00001 * keys


def grid(
    phase: str, batches: Sequence[int], lengths: Sequence[float], seconds: Callable[[int, float], float]
) -> list[Point]:
    # of the three values the middle one is planted
    return [
        Point(phase, batch, length, tuple(part * seconds(batch, length) for part in (0.9, 1.2, 1.0)))
        for batch in batches
        for length in lengths
    ]


def planted_profile(model: str = "tiny.en") -> Profile:
    """Return the profile of the planted machine: whole calls of 1 s, one in a hundred of 1.1 s."""
    points = [
        *grid("mel", (1,), (1.0, 30.0), lambda _, length: mel_s(length)),
        *grid("encode", BATCHES, (5.0, 30.0), lambda batch, _: encode_s(batch)),
        *grid("prefill", BATCHES, FED, prefill_s),
        *grid("decode", BATCHES, KEYS, step_s),
    ]
    calls = (1.1, *[1.0] * 99)
    return Profile(SCHEMA, model, DIMENSIONS[model], "torch", "fp32", 2, MACHINE, tuple(points), calls)


def written(profile: Profile, path: Path, **changes: object) -> Path:
    """Return `path`, where the profile now is, with some of its fields changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(replace(profile, **changes)))
    return path
