"""What a recogniser is given and what it gives back: clips, decoding options, runs of the decoder, hypotheses."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

END = -1  # stands for the end mark, which is in no draft
SECONDS_PER_TICK = 0.02  # Whisper's timestamps are multiples of it
MODES = ("window", "segment", "text")


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a call is decoded; names, meanings and defaults are those of `whisper.transcribe`.

    language: what is spoken, or None to detect it.
    task: "transcribe" or "translate".
    max_tokens: of one run of the decoder.
    beam_size, patience: of the beam search at temperature 0; None for none.
    best_of: how many samples are chosen from at higher temperatures.
    length_penalty: of both.
    temperatures: tried in this order until a text passes the thresholds; above 0, tokens are sampled, seeded by the
        call.
    compression_ratio_threshold, log_probability_threshold: a text above the one or below the other is decoded again.
    no_speech_threshold: a segment that is less probably speech, and whose text is below the log-probability
        threshold, has no text.
    timestamps: whether segments are marked with times.
    suppress_tokens: ids that are never written, "-1" for openai-whisper's list of symbols that are no speech.
    suppress_blank: whether an empty text is ruled out.
    continuing: whether to go on inside the call where the last whole segment ended, until all audio is heard.
    condition_on_previous_text: whether the text before is then the prompt.
    """

    language: str | None = "en"
    task: str = "transcribe"
    max_tokens: int = 224  # openai-whisper's sample_len: half of the text context
    beam_size: int | None = None
    best_of: int | None = None
    patience: float | None = None
    length_penalty: float | None = None
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    compression_ratio_threshold: float | None = 2.4
    log_probability_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    timestamps: bool = True
    suppress_tokens: str = "-1"
    suppress_blank: bool = True
    continuing: bool = True
    condition_on_previous_text: bool = True

    @property
    def searches(self) -> bool:
        """Return whether several candidates are decoded side by side, which openai-whisper's own code does here."""
        return bool(self.beam_size or self.best_of)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What one call hears.

    audio: float32 at 16 kHz, shape = (samples,). Longer than 30 s, it is heard as `whisper.transcribe` hears a file.
    prompt: text of the audio before.
    prefix: the beginning of this audio's text, which the decoder goes on from.
    draft: earlier texts that this one may be like, newest first; they make decoding faster and never change it.
    mode: "window" for all of the audio; "segment" for one pass, up to where Whisper would go on; "text" for one pass
        at temperature 0 without timestamps, for strategies that decide themselves where a text ends.
    """

    audio: np.ndarray
    prompt: str = ""
    prefix: str = ""
    draft: tuple["DraftText", ...] = ()
    mode: str = "window"


@dataclass(frozen=True, slots=True)
class DraftText:
    """A text that another may be like.

    tokens: with timestamps.
    ticks: by how many ticks of 20 ms the audio of the other begins later; its timestamps are lower by so many.
    """

    tokens: tuple[int, ...]
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text between two timestamps, in seconds of the clip."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class DecoderRun:
    """One run of the decoder over a part of a clip: an attempt at one temperature, and the work that it was.

    start_s, audio_s: where the part begins in the clip and how long it is, in seconds.
    encoded: whether the encoder ran for it; later attempts use what it gave.
    prompt_tokens: how many tokens were fed at first.
    prior_tokens: how many of them are earlier text.
    tokens: what was chosen, timestamps included, the end mark excluded.
    ended: whether by the end mark, not by the limit of tokens.
    decode_tokens: decode steps after the first pass, which yields the first token.
    temperature: 0 chooses the most probable token.
    candidates: texts decoded side by side.
    proposals: where it was played with a draft, how many of its tokens each pass checked (`draft.proposals`).
    """

    start_s: float
    audio_s: float
    encoded: bool
    prompt_tokens: int
    prior_tokens: int
    tokens: tuple[int, ...]
    ended: bool
    decode_tokens: int
    temperature: float = 0.0
    candidates: int = 1
    proposals: tuple[int, ...] = ()

    @property
    def produced(self) -> tuple[int, ...]:
        """Return `tokens`, and `END` where decoding came to its end: what a draft of this run is checked against."""
        return (*self.tokens, END) if self.ended else self.tokens


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The transcript of one call, and the work that it took.

    text: all of it, without timestamps.
    runs: every run of the decoder, in order, those that were rejected too.
    tokens: of the text, with timestamps in ticks of the clip.
    segments: the text by its timestamps.
    mean_log_probability: over the accepted tokens.
    no_speech_probability: of the first segment.
    temperature: the highest that a text was accepted at.
    language: as given or detected.
    heard_s: seconds of the clip after which Whisper would go on.
    stopped: whether by what its words attend to, before its end (`attention.stop_at_margin`).
    measured_s: how long the call really took where it was made, on the wall clock; None where no one measured it.
    """

    text: str
    runs: tuple[DecoderRun, ...] = ()
    tokens: tuple[int, ...] = ()
    segments: tuple[Segment, ...] = ()
    mean_log_probability: float = 0.0
    no_speech_probability: float | None = None
    temperature: float = 0.0
    language: str = ""
    heard_s: float = 0.0
    stopped: bool = False
    measured_s: float | None = None

    @property
    def cut_off(self) -> bool:
        """Return whether the limit of tokens ended a run."""
        return not all(run.ended for run in self.runs) and not self.stopped

    @property
    def prompt_tokens(self) -> int:
        """Return how many tokens were fed before the first one chosen, all runs together."""
        return sum(run.prompt_tokens for run in self.runs)

    @property
    def decode_tokens(self) -> int:
        """Return how many decode steps were made, all runs together."""
        return sum(run.decode_tokens for run in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, as `from_dict` takes them and JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Hypothesis":
        """Return the hypothesis whose fields are `stored`, also after JSON.

        Raises `TypeError` or `KeyError` for anything else.
        """
        runs = tuple(
            DecoderRun(**{**run, "tokens": tuple(run["tokens"]), "proposals": tuple(run["proposals"])})
            for run in stored["runs"]
        )
        segments = tuple(Segment(**segment) for segment in stored["segments"])
        return cls(**{**stored, "runs": runs, "tokens": tuple(stored["tokens"]), "segments": segments})
