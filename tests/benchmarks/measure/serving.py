"""A server for tests, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...planted_realtime import serving


@contextmanager
def server(handler) -> Iterator[str]:
    """Within it, a server runs in a thread of its own; gives the target."""
    ports, ready, stops = list[int](), threading.Event(), list[Callable[[], object]]()

    async def program() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with serving(handler) as port:
            ports.append(port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(program(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"realtime:ws://127.0.0.1:{ports[0]}/v1/realtime#planted"
    finally:
        stops[0]()
        thread.join()
