"""From a window of audio to the workload of its call: what the planner and the simulation of servers share."""

import math
from dataclasses import replace

from .workload import Workload

GRID_PER_S = 10  # windows are multiples of 0.1 s
STRATEGIES = ("disjoint", "sliding", "alignatt")
# AlignAtt holds back words whose attention is nearer to the end of the audio (SimulStreaming: 25 frames of 20 ms)
ALIGNATT_MARGIN_S = 0.5
# synchronised: the server clocks the windows of all streams, whose calls come due at once and run as one batch.
# own phases: every client calls at its own time, and the server takes what waits.
POLICIES = ("synchronised", "own phases")
# English speech, about 150 words a minute at 1.3 tokens a word; an assumption, runs use their own counts
TOKENS_PER_S = 3.3


def most_tokens(template: Workload) -> int:
    """Return the most text tokens that a call can have: half of the text context, as openai-whisper samples."""
    return template.dims.n_text_ctx // 2


def window_call(template: Workload, window_s: float, tokens_per_s: float) -> Workload:
    """Return the call for a window of `window_s` seconds with decode steps at the speech rate, rounded up."""
    return call_of(template, window_s, math.ceil(round(tokens_per_s * window_s, 6)))


def call_of(template: Workload, window_s: float, tokens: int) -> Workload:
    """Return the call for a window of `window_s` seconds whose text has `tokens` tokens, or as many as a call can have.

    template: gives all other fields.
    """
    # full padding computes 30 s whatever the window: one workload stands for all windows with as many tokens
    audio_s = template.audio_s if template.padding == "full" else window_s
    fields = {name: getattr(template, name) for name in Workload.__slots__}
    return Workload(**fields | {"audio_s": audio_s, "decode_tokens": min(tokens, most_tokens(template))})


def feed_text(template: Workload, tokens: float) -> Workload:
    """Return `template` with a text of so many tokens, or as many as fit, fed before the first one chosen.

    AlignAtt begins each call with the text that the calls before have written, and decodes what is new.
    """
    return replace(template, prompt_tokens=template.prompt_tokens + min(math.ceil(tokens), most_tokens(template)))
