"""Streams to the server of a measurement, each of them new."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...backends.errors import InputError
from ...backends.measured.address import Key
from ...backends.measured.records import EndpointOptions
from ...backends.measured.streams.realtime import Realtime
from ...backends.measured.streams.session import Dialogue, Frame, Session
from ...backends.measured.streams.target import Target
from ...backends.measured.streams.whisperlivekit import WhisperLiveKit
from ...speech.strategies import make_strategy, step_of
from .settings import Measurement


def session_maker(asked: Measurement) -> Callable[[], Session]:
    """Return what makes a stream to the server that is measured.

    Raises `InputError` where a package is missing that speaks to it: both are of one extra, and take time to import.
    """
    target = Target.parse(asked.target)
    try:
        return _call(target, asked) if target.protocol == "openai" else _connect(target, asked)
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


def _call(target: Target, asked: Measurement) -> Callable[[], Session]:
    from ...backends.measured.rest import RestEndpoint
    from ...speech.streaming.called import CalledSession

    options = EndpointOptions(timestamps="none", timeout_s=asked.patience_s)
    strategy = make_strategy(asked.strategy, asked.window_s, step_of(asked.strategy, asked.step_s))
    pool = ThreadPoolExecutor(max(asked.most_streams, *asked.streams))  # threads are made when they are needed

    def talk() -> CalledSession:  # each stream over a connection of its own
        endpoint = RestEndpoint(target.address, target.address.model or "", options)
        return CalledSession(endpoint, strategy, pool, asked.language, asked.patience_s)

    return talk
