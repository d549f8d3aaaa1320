"""Which settings of a run are replayed side by side."""

from collections.abc import Sequence

from ...backends.errors import InputError, unknown
from ...speech.metrics.latency import service_and_audio
from ..experiment.records import Reference, Run, Track

INFINITE = "infinite"  # how the hardware without a backend is typed
MOST = 4  # lanes that a reader can follow


def find_reference(run: Run, recording: str | None) -> Reference:
    """Return the reference of a recording by its id, with or without the part that was heard; None is the first."""
    own = {track.recording for track in run.tracks if track.calls}
    references = [reference for reference in run.references if reference.id in own]
    if not references:
        raise InputError("there is no call in this run: it only planned; run one that hears something")
    for reference in references:
        if recording is None or recording in (reference.id, reference.id.split(" 0-")[0]):
            return reference
    raise unknown("recording", recording or "", [reference.id for reference in references])


def choose_lanes(run: Run, recording: str, asked: Sequence[str] = ()) -> list[Track]:
    """Return the tracks of a recording that are shown, as `asked` or else the plain choice.

    asked: `BACKEND`, `STRATEGY`, `STRATEGY:WINDOW` or either of these with `@BACKEND`; `infinite` is infinitely fast
        hardware. Where several settings fit it is the backend that comes first in the run, the strategy of its
        experiment, and the longest window. Raises `InputError` for what is not in the run, and for more than four.
    """
    own = [track for track in run.tracks if track.recording == recording and track.calls]
    if not asked:
        return _plain_choice(run, own)
    chosen = [_find(own, name, run.experiment.strategy) for name in asked]
    lanes = list({track.setting: track for track in chosen}.values())
    if len(lanes) > MOST:
        raise InputError(f"--lanes: {len(lanes)} settings; expected at most {MOST}, more cannot be followed")
    return lanes


def name_of(track: Track) -> str:
    """Return the setting of a track as it is typed behind --lanes."""
    return f"{track.strategy}:{track.window_s:g}@{track.backend or INFINITE}"


def _find(tracks: Sequence[Track], name: str, usual: str) -> Track:
    way, _, backend = name.rpartition("@")
    strategy, _, window = way.partition(":")
    if not way and backend not in {track.backend or INFINITE for track in tracks}:
        (strategy, _, window), backend = name.partition(":"), ""
    fits = [
        track
        for track in tracks
        if backend in ("", track.backend or INFINITE)
        and strategy in ("", track.strategy)
        and window in ("", f"{track.window_s:g}")
    ]
    if not fits:
        raise unknown("lane", name, {part for track in tracks for part in (name_of(track), track.backend or INFINITE)})
    first = next((track.backend for track in fits if track.backend), None)
    return max((t for t in fits if t.backend == first), key=lambda track: (track.strategy == usual, track.window_s))


def _plain_choice(run: Run, tracks: Sequence[Track]) -> list[Track]:
    """Infinitely fast hardware, then the fastest backend, one between, and the slowest that keeps up.

    All of one strategy, in the longest window that each backend played.
    """
    timed = [track for track in tracks if track.backend] or tracks
    strategies = [track.strategy for track in timed]
    strategy = run.experiment.strategy if run.experiment.strategy in strategies else strategies[0]
    longest: dict[str | None, Track] = {}
    for track in sorted((t for t in tracks if t.strategy == strategy), key=lambda track: track.window_s):
        longest[track.backend] = track
    ideal = [track] if (track := longest.pop(None, None)) else []
    by_speed = sorted(longest.values(), key=_busy)
    able = [track for track in by_speed if _busy(track) <= 1] or by_speed
    between = able[len(able) // 2 : len(able) // 2 + 1] if len(able) > 2 else []
    return list({track.setting: track for track in (*ideal, *able[:1], *between, *able[-1:])}.values())


def _busy(track: Track) -> float:
    service_s, audio_s = service_and_audio(track.calls)
    return service_s / audio_s if audio_s else 0.0
