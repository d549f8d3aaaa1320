"""What a recogniser is given and what it gives back: clips, decoding options, hypotheses."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

END = -1  # stands for the end mark, which is in no draft


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a transcript is decoded; names and meanings are those of `whisper.DecodingOptions` and `transcribe`.

    By default greedy, no timestamps, and nothing suppressed: a model's output is taken as it is, where openai-whisper
    suppresses non-speech symbols. Options other than these defaults, `language`, `task` and `max_tokens` are
    decoded by openai-whisper's own code, one call at a time.

    temperatures: tried in this order until a text passes the thresholds; above 0, tokens are sampled, with a seed
    that is the call's own. compression_ratio_threshold, log_probability_threshold: a text above the one or below the
    other is decoded again at the next temperature. no_speech_threshold: a call that is less probably speech, and
    whose text is below the log-probability threshold, has no text. language: None to detect it.
    """

    language: str | None = "en"
    task: str = "transcribe"
    max_tokens: int = 224  # openai-whisper's sample_len: half of the text context
    beam_size: int | None = None
    best_of: int | None = None
    patience: float | None = None
    length_penalty: float | None = None
    temperatures: tuple[float, ...] = (0.0,)
    compression_ratio_threshold: float | None = None
    log_probability_threshold: float | None = None
    no_speech_threshold: float | None = None
    timestamps: bool = False
    suppress_tokens: str = ""
    suppress_blank: bool = False

    @property
    def plain(self) -> bool:
        """Whether this is greedy decoding of text alone, which the batched engine does itself."""
        same = DecodeOptions(self.language, self.task, self.max_tokens)
        return self == same and self.language is not None


# The defaults of openai-whisper's command line (whisper.transcribe.cli)
WHISPER_DEFAULTS = DecodeOptions(
    language=None,
    beam_size=5,
    best_of=5,
    temperatures=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    compression_ratio_threshold=2.4,
    log_probability_threshold=-1.0,
    no_speech_threshold=0.6,
    timestamps=True,
    suppress_tokens="-1",
    suppress_blank=True,
)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What one call hears: `audio` float32 at 16 kHz, shape = (samples,), at most 30 s; `prompt` is earlier text;
    `prefix` is the beginning of this audio's text, which the decoder goes on from.

    `draft`: texts, newest first, that this one may be like, as tokens; they make decoding faster and never change it.
    """

    audio: np.ndarray
    prompt: str = ""
    prefix: str = ""
    draft: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text between two timestamps, in seconds of the clip."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The transcript of one call, with the token counts that its workload had.

    `decode_tokens` counts the decode steps after the prefill, which yields the first token: the text tokens, as the
    last step yields the end mark. `cut_off` tells that `max_tokens` ended the text. `tokens` are all that were
    produced, the end mark excluded. `no_speech_probability`, `segments` and `language` are there where the options
    ask for them; `temperature` is the one that the text was accepted at. `proposals`: where the call was played with a
    draft, how many of its tokens each decoder pass checked (`draft.proposals`). `stopped`: before its end, by what its
    words attend to (`attention.stopped`); `tokens` hold what would have followed, too.
    """

    text: str
    prompt_tokens: int
    decode_tokens: int
    mean_log_probability: float
    cut_off: bool
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    no_speech_probability: float | None = None
    language: str = ""
    segments: tuple[Segment, ...] = ()
    proposals: tuple[int, ...] = ()
    stopped: bool = False

    @property
    def made_tokens(self) -> tuple[int, ...]:
        """The tokens that decoding had made when it ended or was stopped, the end mark excluded."""
        return self.tokens[: self.decode_tokens] if self.stopped else self.tokens

    @property
    def produced(self) -> tuple[int, ...]:
        """`made_tokens`, and `END` where decoding came to its end: what a draft of this call is checked against."""
        return self.made_tokens if self.cut_off or self.stopped else (*self.made_tokens, END)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as `from_dict` takes them and JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Hypothesis":
        """The inverse of `to_dict`, also after JSON. Raises `TypeError` or `KeyError` for anything else."""
        segments = tuple(Segment(**segment) for segment in stored["segments"])
        tuples = {name: tuple(stored[name]) for name in ("tokens", "proposals")}
        return cls(**{**stored, **tuples, "segments": segments})
