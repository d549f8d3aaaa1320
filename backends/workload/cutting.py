"""How each strategy cuts live audio into calls: when they come, what they decode, and when their words are shown.

A `Piece` is one call of a stream, and a strategy is a few pieces that are equally likely. Where calls come at even
times one piece says all. Where they follow from pauses ten do, each the mean of a tenth of the calls that were made on
bundled speech.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, unknown
from .op import LONGEST_S
from .pieces import VAD

# AlignAtt holds back words whose attention is nearer to the end of the audio (SimulStreaming: 25 frames of 20 ms)
ALIGNATT_MARGIN_S = 0.5
# `overlap` moves on by two thirds of its window. A quarter more words than the last third holds, and two, wait for the
# next call, since speech is not even; two words last 0.8 s at 150 a minute
_OVERLAP, _OVERLAP_WAIT, _TWO_WORDS_S = 1 / 3, 1.25, 0.8


@dataclass(frozen=True, slots=True)
class Piece:
    """One call of a stream, in seconds.

    gap_s: from the call before to this one, from arrival to arrival.
    heard_s: of audio whose text it decodes.
    shown_s: of audio whose words it shows, or lets be shown.
    wait_s: from the end of that audio to the arrival of the call.
    """

    gap_s: float
    heard_s: float
    shown_s: float
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cutting:
    """What a strategy is to a backend.

    stepping: whether the seconds between two calls are a setting; else they follow from the window, or what is heard.
    even: whether calls of a stream come at even times.
    calls_of_a_word: how many calls may show a word, or have to agree on it.
    agreeing: whether all of these have to hear it.
    fed_tokens: of earlier text that begin each call, where it is always as much.
    one_pass: whether a call never goes on inside its window where its text breaks off.
    """

    stepping: bool = False
    even: bool = True
    calls_of_a_word: int = 1
    agreeing: bool = False
    fed_tokens: int = 0
    one_pass: bool = False


# Text that is fed: 200 characters (`prompted`) and 800 (`sequential`), at 4.7 a token of the bundled talks.
CUTTINGS = {
    "disjoint": Cutting(),
    "overlap": Cutting(calls_of_a_word=2),
    "sliding": Cutting(stepping=True, calls_of_a_word=2, agreeing=True),
    "prompted": Cutting(fed_tokens=43),
    "vad": Cutting(even=False),
    "alignatt": Cutting(stepping=True, calls_of_a_word=2, one_pass=True),
    # it goes on where its last whole segment ended: with tiny.en after 29.4 s of 30, 9.99 of 10, and below at the end
    "sequential": Cutting(fed_tokens=171, one_pass=True),
}
STRATEGIES = tuple(CUTTINGS)


def cutting_of(strategy: str) -> Cutting:
    """Return what a strategy is to a backend. Raises `InputError` for one that no backend is planned with."""
    if strategy not in CUTTINGS:
        raise unknown("strategy", strategy, STRATEGIES)
    return CUTTINGS[strategy]


def own_step_s(strategy: str, window_s: float) -> float | None:
    """Return the seconds between two calls, on average, of a strategy that sets them itself; None if it does not."""
    if cutting_of(strategy).stepping:
        return None
    pieces = pieces_of(strategy, window_s)
    return sum(piece.gap_s for piece in pieces) / len(pieces)


def check_steps(strategy: str, window_s: float, step_s: float) -> None:
    """Raise `InputError` unless a stream can be cut so."""
    own_s = own_step_s(strategy, window_s)
    if own_s is not None and abs(step_s - own_s) > 1e-9:
        raise InputError(
            f"{strategy}: a window of {window_s:g} s has calls every {own_s:.3g} s, whatever the step; got {step_s:g} s"
        )
    if not 0 < window_s <= LONGEST_S or (own_s is None and not 0 < step_s <= window_s):
        given = f"window {window_s:g} s, step {step_s:g} s"
        raise InputError(f"{given}; expected 0 < step <= window <= {LONGEST_S:g} s")


@lru_cache(maxsize=4096)
def pieces_of(strategy: str, window_s: float, step_s: float | None = None) -> tuple[Piece, ...]:
    """Return the calls that a stream makes, each as likely as the others.

    step_s: between two calls, for a strategy whose step is a setting.
    """
    kind = cutting_of(strategy)
    if kind.stepping:
        if step_s is None:
            raise InputError(f"{strategy}: a step is needed; give the seconds between two calls")
        if strategy == "alignatt":
            return (Piece(step_s, min(window_s, step_s), step_s, ALIGNATT_MARGIN_S),)
        return (Piece(step_s, window_s, step_s, step_s),)
    if strategy == "overlap":
        step_s, wait_s = window_s * (1 - _OVERLAP), min(window_s, _OVERLAP_WAIT * _OVERLAP * window_s + _TWO_WORDS_S)
        return (Piece(step_s, window_s, step_s, wait_s),)
    if strategy == "vad":
        return tuple(
            Piece(gap_s, heard_s, heard_s, wait_s) for gap_s, heard_s, wait_s in interpolate(VAD, window_s).tolist()
        )
    return (Piece(window_s, window_s, window_s),)


def mean_heard_s(strategy: str, window_s: float, step_s: float | None = None) -> float:
    """Return the seconds of audio whose text a call decodes, on average."""
    pieces = pieces_of(strategy, window_s, step_s)
    return sum(piece.heard_s for piece in pieces) / len(pieces)


def interpolate(table: Mapping[float, ArrayLike], window_s: float) -> NDArray[np.float64]:
    """Return what a table by window says of any window: straight in between, and in proportion below the first."""
    windows = tuple(table)
    right = bisect_right(windows, window_s)
    if right == 0:
        return window_s / windows[0] * np.asarray(table[windows[0]], float)
    if right == len(windows):
        return np.asarray(table[windows[-1]], float)
    low_s, high_s = windows[right - 1], windows[right]
    low, high = (np.asarray(table[at_s], float) for at_s in (low_s, high_s))
    return low + (window_s - low_s) / (high_s - low_s) * (high - low)
