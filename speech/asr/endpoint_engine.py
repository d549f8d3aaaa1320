"""An endpoint as what streams are played with: text and time of a call are both the endpoint's own."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from ...backends.errors import InputError
from ...backends.measured.records import Answer
from ...backends.workload.op import SAMPLE_RATE
from .hypothesis import Clip, Hypothesis, Segment
from .transcriber import Progress


class Endpoint(Protocol):
    """What is asked: `backends.measured.rest.RestEndpoint`, or another that answers alike.

    model: what the server calls its model.
    """

    model: str

    @property
    def name(self) -> str:
        """Where it is and which model it is, in words."""
        ...

    @property
    def place(self) -> str:
        """Host and path."""
        ...

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        ...

    def key(self, audio: np.ndarray, prompt: str, language: str | None) -> str:
        """Return a name for the question: equal ones have equal names."""
        ...

    def transcribe(self, audio: np.ndarray, prompt: str, language: str | None) -> Answer:
        """Return the answer, and how long it took. Raises `InputError` where there is none."""
        ...

    def close(self) -> None:
        """Close its connections; it is not asked again."""
        ...


class Answers(Protocol):
    """Where answers are kept, so that no finished call is made again. Several threads may use it."""

    def get(self, key: str) -> Answer | None:
        """Return the answer to a question by its name; None where it was not asked before."""
        ...

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        ...


class EndpointEngine:
    """Transcribes clips by asking an endpoint; equal questions are asked once. It hears whole windows only.

    endpoint: what is asked.
    language: of the speech; None lets the endpoint detect it.
    kept: where answers are kept between runs, if anywhere.
    version: the endpoint in words.
    computed: how many calls were made, those whose answers were kept not counted.
    used: the answers that were used, in the order in which they were needed first.
    """

    def __init__(self, endpoint: Endpoint, language: str | None, kept: Answers | None = None) -> None:
        self.endpoint, self.language, self.kept = endpoint, language, kept
        self.version = endpoint.name
        self.timestamp_begin = 0  # there are no tokens
        self.computed = 0
        self.used: dict[str, Answer] = {}

    def transcribe(self, clips: Sequence[Clip], progress: Progress | None = None) -> list[Hypothesis]:
        """Return the transcripts of `clips`, in their order, with the seconds that each took.

        progress: is told how many of those that are to be asked for are done, and how many there are.

        Raises `InputError` for clips that no endpoint takes, and where one is not answered; what was answered before
        is kept.
        """
        keys = [self._key(clip) for clip in clips]
        new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in self.used}
        for key in list(new):
            answer = self.kept.get(key) if self.kept is not None else None
            if answer is not None:
                self.used[key] = answer
                del new[key]
        with self._kept_said():
            for done, (key, answer) in enumerate(self._ask(new), start=1):
                self.used[key] = answer
                self.computed += 1
                if progress:
                    progress(done, len(new))
        return [_hypothesis(self.used[key], len(clip.audio)) for key, clip in zip(keys, clips, strict=True)]

    def _ask(self, new: dict[str, Clip]) -> Iterator[tuple[str, Answer]]:
        def one(item: tuple[str, Clip]) -> tuple[str, Answer]:
            key, clip = item
            answer = self.endpoint.transcribe(clip.audio, clip.prompt, self.language)
            if self.kept is not None:  # here, so that an answer is kept also when another call fails
                self.kept.put(key, answer)
            return key, answer

        if self.endpoint.concurrency == 1:
            yield from map(one, new.items())
            return
        with ThreadPoolExecutor(self.endpoint.concurrency) as pool:
            yield from pool.map(one, new.items())

    def _key(self, clip: Clip) -> str:
        if clip.prefix or clip.mode != "window":
            raise InputError(
                f"{self.version}: an endpoint hears whole windows, without a beginning of their text; type another "
                "--strategy, for example disjoint or sliding"
            )
        return self.endpoint.key(clip.audio, clip.prompt, self.language)

    @contextmanager
    def _kept_said(self) -> Iterator[None]:
        """Say with an error that what was answered is not lost."""
        try:
            yield
        except InputError as error:
            if self.kept is None:
                raise
            raise InputError(f"{error}; the answers so far are kept, run it again to go on") from None


def _hypothesis(answer: Answer, samples: int) -> Hypothesis:
    return Hypothesis(
        text=answer.text,
        segments=tuple(Segment(one.start_s, one.end_s, one.text) for one in answer.segments),
        language=answer.language or "",
        heard_s=samples / SAMPLE_RATE,
        measured_s=answer.service_s,
    )
