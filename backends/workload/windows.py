"""From a window of audio to the workload of its call: what the planner and the simulation of servers share."""

import math
from dataclasses import replace

from .cutting import cutting_of, interpolate, mean_heard_s
from .workload import Workload

GRID_PER_S = 10  # windows are multiples of 0.1 s
# synchronised: the server clocks the windows of all streams, whose calls come due at once and run as one batch.
# own phases: every client calls at its own time, and the server takes what waits.
POLICIES = ("synchronised", "own phases")
# English speech, about 150 words a minute at 1.3 tokens a word; an assumption, runs use their own counts
TOKENS_PER_S = 3.3

# The part of the calls that take a second pass of encoder and decoder: whisper.transcribe goes on inside a window where
# its first text breaks off before the end. By window in seconds, straight in between. Measured by `earspan curve` with
# tiny.en in sliding windows of talks-clean, which is a column of docs/curve.md; none took a third.
SECOND_PASS = {3.0: 0.0, 10.0: 0.03, 15.0: 0.17, 20.0: 0.35, 30.0: 1.0}


def second_pass_chance(strategy: str, heard_s: float) -> float:
    """Return the part of the calls that hear so much which take a second pass; 0 for strategies of one pass."""
    if cutting_of(strategy).one_pass:
        return 0.0
    return float(interpolate(SECOND_PASS, heard_s))


def strategy_call(
    template: Workload, strategy: str, window_s: float, step_s: float | None, tokens_per_s: float
) -> Workload:
    """Return one call of a strategy, in one pass: what is new decoded at the speech rate, rounded up, the rest fed."""
    heard_s, fed = mean_heard_s(strategy, window_s, step_s), cutting_of(strategy).fed_tokens
    if strategy == "alignatt":
        fed = tokens_per_s * (window_s - heard_s)
    # the audio of a piece that ends at a pause is shorter than its window
    audio_s = heard_s if strategy == "vad" else window_s
    return call_of(feed_text(template, fed), audio_s, math.ceil(round(tokens_per_s * heard_s, 6)))


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
