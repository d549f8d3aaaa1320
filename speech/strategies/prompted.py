"""Disjoint chunks, each prompted with the text before it, as Whisper conditions on the previous text.

A prompt can make Whisper repeat itself, and the repetition becomes the next prompt. So a text that compresses like a
loop (openai-whisper's threshold) is heard once more without prompt, and the prompt starts anew from that.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ...backends.workload.op import SAMPLE_RATE
from .base import Call, Heard, Strategy
from .disjoint import check_whole_window
from .steps import Steps

PROMPT_CHARACTERS = 200  # whisper_streaming's
LOOP_COMPRESSION = 2.4  # openai-whisper's compression_ratio_threshold


@dataclass(frozen=True, slots=True)
class Prompted(Strategy):
    """cut every WINDOW seconds, prompt each piece with the last 200 characters; heard again without if it loops"""

    window_s: float

    @classmethod
    def of(cls, window_s: float, step_s: float | None) -> "Prompted":
        return cls(check_whole_window("prompted", window_s, step_s))

    def run(self, audio: np.ndarray, overload: str = "lag") -> Generator[Call, Heard, None]:
        steps, prompt = Steps(self.window_s, len(audio) / SAMPLE_RATE, overload), ""
        piece = steps.next(0.0)
        while piece:
            if piece.gap:
                prompt = ""
            heard = yield Call(piece.start_s, piece.end_s, prompt)
            if prompt and loops(heard.text):
                heard, prompt = (yield Call(piece.start_s, piece.end_s)), ""
            heard.commit(heard.text.split())
            prompt = "" if loops(heard.text) else last_words(f"{prompt} {heard.text}", PROMPT_CHARACTERS)
            piece = steps.next(heard.ready_at_s)


def loops(text: str) -> bool:
    """Return whether a text repeats itself so much that Whisper's own long-form would hear it again."""
    from whisper.utils import compression_ratio  # torch takes seconds

    return bool(text) and compression_ratio(text) > LOOP_COMPRESSION


def last_words(text: str, characters: int) -> str:
    """Return the whole words at the end of `text` that fit into so many characters."""
    words, room = list[str](), characters + 1
    for word in reversed(text.split()):
        room -= len(word) + 1
        if room < 0:
            break
        words.append(word)
    return " ".join(reversed(words))
