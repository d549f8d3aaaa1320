"""Small Whispers with random weights, real modules and tokenizers."""

from collections.abc import Callable

import pytest
from earspan.speech.asr.model import Recogniser
from whisper.model import Whisper

from .. import tiny

TinyWhisper = Callable[..., Whisper]
TinyRecogniser = Callable[..., Recogniser]


@pytest.fixture(scope="session")
def tiny_whisper() -> TinyWhisper:
    """Makes a Whisper of the given sizes; the same sizes give the same weights."""
    return tiny.tiny_whisper


@pytest.fixture(scope="session")
def tiny_recogniser() -> TinyRecogniser:
    """Makes a recogniser: `tiny_recogniser(n_vocab=...)`."""

    def make(**sizes: int) -> Recogniser:
        return Recogniser("tiny-random", tiny.tiny_whisper(**sizes), "0" * 64)

    return make
