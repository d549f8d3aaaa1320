"""Workers that are lost, late or never begin: told to whoever waits, replaced, and given up at last."""

from collections import deque
from collections.abc import Iterator

import pytest
from earspan.backends.errors import InputError
from earspan.benchmarks.sweep.pool import Member, Pool


class Planted(Pool[Member]):
    """Workers whose answers are given beforehand: whose, in order of their start, and what; None: it is gone."""

    def __init__(self, *answers: tuple[int, bytes | None]) -> None:
        self.started: list[Member] = []
        self.sent: list[tuple[int, bytes]] = []
        self._coming = deque(answers)
        super().__init__(["cpu", "cpu", "cuda"])

    def _start(self, device: str) -> Member:
        self.started.append(Member(device=device))
        return self.started[-1]

    def _send(self, one: Member, message: bytes) -> None:
        self.sent.append((self.started.index(one), message))

    def _answers(self, timeout_s: float) -> Iterator[tuple[Member, bytes | None, str]]:
        number, message = self._coming.popleft()
        yield self.started[number], message, ": no reason"

    def close(self) -> None:
        pass


def test_a_worker_is_free_when_it_has_begun_and_until_it_has_an_order():
    pool = Planted((1, b""), (2, b""), (1, b"done"))
    assert (pool.free("cpu"), pool.collect(0), pool.free("cpu"), pool.free("cuda")) == (0, [], 1, 0)
    assert (pool.collect(0), pool.free("cuda")) == ([], 1)
    pool.submit(7, "cpu", b"order")
    assert (pool.sent, pool.free("cpu")) == ([(1, b"order")], 0)
    assert (pool.collect(0), pool.free("cpu")) == ([(7, b"done")], 1)


def test_the_order_of_a_worker_that_is_gone_comes_back_and_another_takes_its_place():
    pool = Planted((2, b""), (2, None), (3, b""), (3, None))
    pool.collect(0)
    pool.submit(7, "cuda", b"order")
    assert (pool.collect(0), pool.free("cuda")) == ([(7, None)], 0)
    assert [one.device for one in pool.started] == ["cpu", "cpu", "cuda", "cuda"]
    assert (pool.collect(0), pool.free("cuda")) == ([], 1)
    assert (pool.collect(0), pool.free("cuda")) == ([], 0)  # it had nothing to do: nothing is lost


def test_five_in_a_row_that_never_begin_are_given_up_and_one_that_begins_counts_anew():
    pool = Planted((0, None), (3, None), (4, None), (5, None), (1, b""), *((one, None) for one in range(6, 11)))
    for _ in range(9):
        assert pool.collect(0) == []
    with pytest.raises(InputError, match=r"^5 workers in a row ended before they could begin: no reason$"):
        pool.collect(0)
