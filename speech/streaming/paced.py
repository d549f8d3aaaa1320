"""Recordings played to a server at the pace of speech: many streams at once, each chunk sent at its deadline.

Deadlines are absolute: chunk `k` of a stream is due at `t0 + k * chunk_s`, when its last sample has been spoken, so the
recording begins a chunk before `t0`. A late chunk does not delay those after it, and nothing drifts. How late we were
ourselves is kept of every chunk, apart from how long the server made us wait.
"""

import asyncio
import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ...backends.measured.streams.session import FAILED, Frame, Session, StreamError, Update
from ...datasets.recording import Recording
from ..metrics.screen import Said

MOST_LATE_S = 0.02  # a chunk's lateness by our own fault: above it, what the server did is not what live speech gets
_SOON_S = 0.1  # from the last connection's being open until the first chunk of all is due


@dataclass(frozen=True, slots=True)
class Send:
    """A chunk, in seconds of the recording.

    due_s: its deadline.
    at_s: when it was sent.
    free_s: when the next could be sent; later than `at_s` by what the server made us wait.
    """

    due_s: float
    at_s: float
    free_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a stream ended early. kind: one of `stream.FAILURES`. at_s: when, None if it never began."""

    kind: str
    about: str
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Streamed:
    """One recording as it was played to a server. Times are seconds of the recording.

    stream: its number.
    begin_at_s: when the recording began, from the beginning of the first.
    sends: every chunk that was sent.
    said: everything that the server said about the text.
    ended_at_s: when the server had said all there is; None if it did not.
    failed: None if it did.
    """

    stream: int
    recording: str
    begin_at_s: float
    sends: tuple[Send, ...] = ()
    said: tuple[Said, ...] = ()
    ended_at_s: float | None = None
    failed: Failed | None = None

    @property
    def late_s(self) -> list[float]:
        """How late each chunk was sent by our own fault: after it was due, and after the one before it was gone."""
        free_s, late_s = float("-inf"), []
        for send in self.sends:
            late_s.append(send.at_s - max(send.due_s, free_s))
            free_s = send.free_s
        return late_s

    @property
    def why_invalid(self) -> str:
        """Why what the server did is not what live speech gets; empty where every chunk was sent in time."""
        late_s = max(self.late_s, default=0.0)
        told = f"this machine sent a chunk {1000 * late_s:.0f} ms late; at most {1000 * MOST_LATE_S:.0f} ms may be"
        return told if late_s > MOST_LATE_S else ""

    @property
    def held_s(self) -> float:
        """The longest that the server made us wait with a chunk."""
        return max((send.free_s - send.at_s for send in self.sends), default=0.0)

    @property
    def errors(self) -> list[str]:
        """The kinds of what went wrong: pieces without a text, and the stream's own end."""
        kinds = [one.text.partition(":")[0] for one in self.said if one.kind == FAILED]
        return kinds + ([self.failed.kind] if self.failed else [])


@dataclass(slots=True)
class _Player:
    number: int
    recording: Recording
    session: Session
    frames: Sequence[Frame]
    chunk_s: float
    delay_s: float  # of its first chunk, from the first of all
    begin_s: float = 0.0  # of its recording, by the clock of the loop
    sends: list[Send] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    async def open(self) -> Streamed | None:
        """Open the stream; return what there is to say of it if that fails."""
        try:
            await self.session.open(self._tell)
        except StreamError as error:
            return self._end(Failed(error.kind, str(error), None))
        return None

    async def play(self, first_s: float) -> Streamed:
        """Play the recording, the first chunk of all being due at `first_s`, and return what became of it."""
        loop = asyncio.get_running_loop()
        self.begin_s = first_s + self.delay_s - self.chunk_s
        failed, ended_at_s = None, None
        try:
            for number, frame in enumerate(self.frames, 1):
                # The last chunk may be shorter than the others.
                due_s = min(number * self.chunk_s, self.recording.duration_s)
                await asyncio.sleep(self.begin_s + due_s - loop.time())
                at_s = self._now()
                await self.session.send(frame)
                self.sends.append(Send(due_s, at_s, self._now()))
            await self.session.finish()
            ended_at_s = self._now()
        except StreamError as error:
            failed = Failed(error.kind, str(error), self._now())
        return self._end(failed, ended_at_s)

    def _end(self, failed: Failed | None, ended_at_s: float | None = None) -> Streamed:
        begin_at_s = round(self.delay_s, 6)
        return Streamed(
            self.number, self.recording.id, begin_at_s, tuple(self.sends), tuple(self.said), ended_at_s, failed
        )

    def _now(self) -> float:
        return round(asyncio.get_running_loop().time() - self.begin_s, 6)

    def _tell(self, updates: Sequence[Update]) -> None:
        at_s = self._now()
        self.said += [Said(at_s, one.kind, one.part, one.text) for one in updates]


async def play_paced(
    recordings: Sequence[Recording], sessions: Sequence[Session], delays_s: Sequence[float], chunk_s: float
) -> list[Streamed]:
    """Return what became of each recording, all played at once, each to a session of its own.

    delays_s: how long after the first of all each may begin.
    chunk_s: seconds of audio that are sent at a time.

    All streams are opened before the first begins; one that fails, before or after, leaves the others alone.
    """
    players = [  # with all messages made before the clock starts
        _Player(number, recording, session, session.encode(recording.audio, chunk_s), chunk_s, delay_s)
        for number, (recording, session, delay_s) in enumerate(zip(recordings, sessions, delays_s, strict=True))
    ]
    try:
        unopened = await asyncio.gather(*(player.open() for player in players))
        with _promptly():
            first_s = asyncio.get_running_loop().time() + _SOON_S
            playing = [player.play(first_s) for player, over in zip(players, unopened, strict=True) if over is None]
            played = iter(await asyncio.gather(*playing))
        return [next(played) if over is None else over for over in unopened]
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


@contextmanager
def _promptly() -> Iterator[None]:
    """Within it nothing of this process delays the player, which the system runs first where that is granted.

    Python does not stop to look for garbage, which takes longer than a chunk may be late; and the player does so little
    that a server on the same machine loses nothing by its going first.
    """
    gc.collect()
    collects = gc.isenabled()
    gc.disable()
    try:
        with _first_to_run():
            yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def _first_to_run() -> Iterator[None]:
    """Within it the system runs this thread first, if it knows and grants that; threads begun within are as others."""
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    _schedule(os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    try:
        yield
    finally:
        _schedule(policy, param)


def _schedule(policy: int, param: "os.sched_param") -> None:
    with suppress(PermissionError):
        # the flag is kept on the way back, too: to clear it takes more rights than to set it
        os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, param)
