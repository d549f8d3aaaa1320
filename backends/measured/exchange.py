"""What goes to a server and what comes back, in plain form: sound as samples, and a server's words in one line."""

import numpy as np

_WORDS = 200  # characters of a server's words that a message repeats


def quantise(audio: np.ndarray) -> np.ndarray:
    """Return float32 audio as the 16-bit samples that are sent."""
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype("<i2")


def one_line(text: str) -> str:
    """Return the beginning of what a server wrote, without anything that a terminal would obey."""
    line = "".join(mark if mark.isprintable() else " " for mark in text[: 10 * _WORDS])
    return " ".join(line.split())[:_WORDS]
