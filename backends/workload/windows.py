"""Windows and their calls: what the planner of the span and the simulation of servers have in common."""

import math

from .workload import Workload

LONGEST_S = 30.0
GRID_PER_S = 10  # windows are multiples of 0.1 s
STRATEGIES = ("disjoint", "sliding")
# synchronised: the server clocks the windows of all streams, whose calls come due at once and run as one batch.
# own phases: every client calls at its own time, and the server takes what waits.
POLICIES = ("synchronised", "own phases")
# English speech, about 150 words a minute at 1.3 tokens a word; an assumption, runs use their own counts
TOKENS_PER_S = 3.3


def most_tokens(template: Workload) -> int:
    """The most text tokens of a call: half of the text context, as openai-whisper samples."""
    return template.dims.n_text_ctx // 2


def window_call(template: Workload, window_s: float, tokens_per_s: float) -> Workload:
    """The call for a window, with decode steps at the speech rate, rounded up, to half the text context."""
    return call_of(template, window_s, math.ceil(round(tokens_per_s * window_s, 6)))


def call_of(template: Workload, window_s: float, tokens: int) -> Workload:
    """The call for a window whose text has so many tokens, to half the text context."""
    # full padding computes 30 s whatever the window: one workload stands for all windows with as many tokens
    audio_s = template.audio_s if template.padding == "full" else window_s
    fields = {name: getattr(template, name) for name in Workload.__slots__}
    return Workload(**fields | {"audio_s": audio_s, "decode_tokens": min(tokens, most_tokens(template))})
