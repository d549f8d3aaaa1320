"""Streams to the server of a measurement, each of them new."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...backends.errors import InputError
from ...backends.measured.address import Key
from ...backends.measured.budget import Budget
from ...backends.measured.streams.realtime import Realtime
from ...backends.measured.streams.session import Dialogue, Frame, Session
from ...backends.measured.streams.target import Target
from ...backends.measured.streams.whisperlivekit import WhisperLiveKit
from ...speech.strategies import Strategy, make_strategy, step_of
from .settings import Measurement


def session_maker(asked: Measurement, budget: Budget) -> Callable[[], Session]:
    """Return what makes a stream to the server that is measured.

    budget: of which calls are spent; streams of the other protocols are the player's to count.

    Raises `InputError` where a package is missing that speaks to it: both are of one extra, and take time to import.
    """
    target = Target.parse(asked.target)
    try:
        return _call(target, asked, budget) if target.protocol == "openai" else _connect(target, asked)
    except ImportError as error:
        raise InputError(f"{error.name} is not installed; type pip install 'earspan[endpoints]'") from error


def _connect(target: Target, asked: Measurement) -> Callable[[], Session]:
    from ...backends.measured.streams.websocket import WebSocketSession

    key, url, model = Key.of(target.address), target.address.url, target.address.model
    encoded: dict[int, tuple[np.ndarray, Sequence[Frame]]] = {}
    if target.protocol == "wlk":
        url += f"?language={asked.language}" if asked.language else ""
    else:
        url += "?intent=transcription"

    def talk() -> Dialogue:
        return WhisperLiveKit() if target.protocol == "wlk" else Realtime(model, asked.language, asked.commit_s)

    return lambda: WebSocketSession(url, talk(), key, asked.patience_s, encoded)


def _call(target: Target, asked: Measurement, budget: Budget) -> Callable[[], Session]:
    from ...backends.measured.rest import RestEndpoint
    from ...speech.streaming.called import CalledSession

    strategy = _strategy(asked)
    pool = ThreadPoolExecutor(max(asked.most_streams, *asked.streams))  # threads are made when they are needed

    def talk() -> CalledSession:  # each stream over a connection of its own
        endpoint = RestEndpoint(target.address, target.address.model or "", asked.endpoint, budget)
        return CalledSession(endpoint, strategy, pool, asked.language, asked.patience_s)

    return talk


def list_requests(asked: Measurement, duration_s: float) -> list[float]:
    """Return the seconds of audio that are billed of each request of a stream: of its calls, or of the stream itself.

    Calls that wait for one another are fewer; failed ones that are made again come on top.
    """
    if Target.parse(asked.target).protocol != "openai":
        return [duration_s]
    from ...speech.streaming.called import WARM_UP_S

    return [WARM_UP_S, *(call.end_s - call.start_s for call in _strategy(asked).fixed_calls(duration_s))]


def _strategy(asked: Measurement) -> Strategy:
    return make_strategy(asked.strategy, asked.window_s, step_of(asked.strategy, asked.step_s))
