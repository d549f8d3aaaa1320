"""A planted server of the Realtime API in a process of its own: `python -m tests.servers.planted RECORDING SECONDS`."""

import asyncio
import sys

from earspan.datasets import open_dataset
from earspan.datasets.recording import head

from ..planted_realtime import planted_handler, serving


async def serve_until_killed(recording: str, seconds: float) -> None:
    """Print the port, and serve a talk's first seconds."""
    entry = next(entry for entry in open_dataset("talks-clean") if entry.id == recording)
    async with serving(planted_handler(head(entry.load(), seconds), delay_s=0.4, vad_s=0.2)) as port:
        print(port, flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve_until_killed(sys.argv[1], float(sys.argv[2])))
