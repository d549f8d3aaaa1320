"""`whisper.transcribe`, one clip at a time and as data: what to decode next, and what to make of it.

A clip is heard part by part, as openai-whisper's loop does (whisper/transcribe.py): up to 30 s are decoded; a text
that repeats itself or is improbable is decoded again at the next temperature; whole segments are kept, and the next
part begins where the last of them ended. Here the loop is a state that asks for one attempt after another, so that
those of many clips can be decoded side by side, and none waits for another's.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from whisper.model import ModelDimensions
from whisper.tokenizer import Tokenizer
from whisper.utils import compression_ratio

from ....backends.workload.models import Dimensions
from ..features import FRAMES_PER_POSITION, SECONDS_PER_FRAME, SECONDS_PER_POSITION, Part, frames_of
from ..hypothesis import Clip, DecodeOptions, DecoderRun, Hypothesis, Segment
from .draft import shift_timestamps
from .greedy import Beginning

_HOT = 0.5  # above this temperature a text is no prompt for the next part (whisper.transcribe)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is to be decoded next.

    part: up to 30 s of a clip.
    beginning: the tokens that its text begins with, the temperature, and texts that it may be like.
    new: whether the part is to be encoded first.
    timestamps: whether the text is written with timestamps.
    """

    part: Part
    beginning: Beginning
    new: bool
    timestamps: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What decoding gave.

    tokens: the end mark excluded.
    ended: whether by the end mark.
    log_probability: the sum of the tokens' and the end mark's.
    no_speech_probability: that nobody speaks.
    decode_tokens: decode steps after the first pass, as if there were no drafts.
    passes: passes of the decoder that were made.
    candidates: texts decoded side by side.
    """

    tokens: tuple[int, ...]
    ended: bool
    log_probability: float
    no_speech_probability: float
    decode_tokens: int
    passes: int
    candidates: int = 1

    @property
    def mean_log_probability(self) -> float:
        """Return the mean over the tokens and the end mark, as whisper.decoding counts them."""
        return self.log_probability / (len(self.tokens) + 1)


@dataclass(slots=True)
class Listening:
    """A clip on its way through the loop. `attempt` is what to decode next; None when all is heard."""

    clip: Clip
    tokenizer: Tokenizer
    options: DecodeOptions
    dims: ModelDimensions
    attempt: Attempt | None = None
    _seek: int = 0
    _temperature: int = 0  # which of the options'
    _tokens: list[int] = field(default_factory=list)  # all that was kept, after the prompt's
    _prompt_since: int = 0
    _given: int = 0  # tokens of the prompt that the clip came with
    _runs: list[DecoderRun] = field(default_factory=list)
    _segments: list[Segment] = field(default_factory=list)
    _timed: list[int] = field(default_factory=list)  # the kept tokens, with timestamps of the clip
    _accepted: list[Outcome] = field(default_factory=list)
    _hottest: float = 0.0

    def __post_init__(self) -> None:
        if self.clip.mode == "text":
            self.options = replace(self.options, temperatures=(0.0,), timestamps=False, continuing=False)
        elif self.clip.mode == "segment":
            self.options = replace(self.options, continuing=False)
        prompt = self.clip.prompt.strip()
        self._tokens = self.tokenizer.encode(" " + prompt, disallowed_special=()) if prompt else []
        self._given = len(self._tokens)
        self._ask(new=True)

    @property
    def frames_left(self) -> int:
        """Return how many mel frames are still to be heard."""
        return frames_of(self.clip) - self._seek

    @property
    def _frames(self) -> int:
        """Return how many mel frames the part has that is being heard."""
        return min(FRAMES_PER_POSITION * self.dims.n_audio_ctx, self.frames_left)

    def take(self, outcome: Outcome) -> None:
        """Go on with what an attempt gave."""
        attempt = self.attempt
        if attempt is None:
            raise ValueError("all of the clip is heard; no attempt was asked for")
        self._runs.append(self._run(attempt, outcome))
        if self._again(outcome):
            self._temperature += 1
            self._ask(new=False)
            return
        temperature = attempt.beginning.temperature
        self._accepted.append(outcome)
        self._hottest = max(self._hottest, temperature)
        if self._silent(outcome):
            self._seek += self._frames
        else:
            kept, frames = self._kept(outcome.tokens)
            self._tokens += kept
            self._seek += frames
            if not self.options.condition_on_previous_text or temperature > _HOT:
                self._prompt_since = len(self._tokens)
        self._temperature = 0
        if self.options.continuing:
            self._ask(new=True)
        else:
            self.attempt = None

    def hypothesis(self) -> Hypothesis:
        """Return the transcript of the clip, once all of it is heard."""
        text = self.tokenizer.decode(self._tokens[self._given :]).strip()
        counted = sum(len(one.tokens) + 1 for one in self._accepted)
        sum_of_logs = sum(one.log_probability for one in self._accepted)
        return Hypothesis(
            text,
            runs=tuple(self._runs),
            tokens=tuple(self._timed),
            segments=tuple(self._segments),
            mean_log_probability=round(sum_of_logs / counted, 4) if counted else 0.0,
            no_speech_probability=round(self._accepted[0].no_speech_probability, 4) if self._accepted else None,
            temperature=self._hottest,
            language=self.tokenizer.language or "en",
            heard_s=min(self._seek * SECONDS_PER_FRAME, len(self.clip.audio) / 16_000),
        )

    def _ask(self, new: bool) -> None:
        if self._frames <= 0:
            self.attempt = None
            return
        temperature = self.options.temperatures[self._temperature]
        ticks = self._seek // FRAMES_PER_POSITION
        drafts = [
            shift_timestamps(text.tokens, text.ticks + ticks, self.tokenizer.timestamp_begin)
            for text in self.clip.draft
        ]
        prompt, start_at = prompt_of(
            self._tokens[self._prompt_since :], self.clip.prefix, self.tokenizer, self.dims, self.options.timestamps
        )
        beginning = Beginning(prompt, start_at, temperature, self._seed(temperature), drafts)
        self.attempt = Attempt(Part(self.clip, self._seek), beginning, new, self.options.timestamps)

    def _seed(self, temperature: float) -> int:
        """Return a seed that is the call's own: sampling does not depend on what else is decoded."""
        if not temperature:
            return 0
        told = f"\0{self.clip.prompt}\0{temperature!r}\0{self._seek}\0{self.clip.prefix}"
        digest = hashlib.sha256(self.clip.audio.tobytes() + told.encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1

    def _run(self, attempt: Attempt, outcome: Outcome) -> DecoderRun:
        beginning = attempt.beginning
        marks = len(_start(self.tokenizer, attempt.timestamps)) + (beginning.start_at > 0)
        return DecoderRun(
            start_s=round(self._seek * SECONDS_PER_FRAME, 2),
            audio_s=round(self._frames * SECONDS_PER_FRAME, 2),
            encoded=attempt.new,
            prompt_tokens=len(beginning.prompt),
            prior_tokens=len(beginning.prompt) - marks,
            tokens=outcome.tokens,
            ended=outcome.ended,
            decode_tokens=outcome.decode_tokens,
            temperature=beginning.temperature,
            candidates=outcome.candidates,
        )

    def _again(self, outcome: Outcome) -> bool:
        """Return whether the next temperature is tried."""
        if self._temperature + 1 >= len(self.options.temperatures):
            return False
        longest, least = self.options.compression_ratio_threshold, self.options.log_probability_threshold
        text = self.tokenizer.decode(list(outcome.tokens)).strip()
        repetitive = longest is not None and compression_ratio(text) > longest
        improbable = least is not None and outcome.mean_log_probability < least
        unlikely, threshold = outcome.no_speech_probability, self.options.no_speech_threshold
        silence = threshold is not None and unlikely > threshold
        return (repetitive or improbable) and not (silence and improbable)

    def _silent(self, outcome: Outcome) -> bool:
        """Return whether the part has no text."""
        threshold, least = self.options.no_speech_threshold, self.options.log_probability_threshold
        if self.clip.mode == "text" or threshold is None or outcome.no_speech_probability <= threshold:
            return False
        return least is None or outcome.mean_log_probability <= least

    def _kept(self, tokens: Sequence[int]) -> tuple[list[int], int]:
        """Return the tokens of the whole segments, noted with their times; and how many frames they last.

        Without `continuing`, what follows the last whole segment is kept too, as nothing will hear it again.
        """
        begin = self.tokenizer.timestamp_begin
        marked = [token >= begin for token in tokens]
        ends_once = marked[-2:] == [False, True]
        cuts = [at + 1 for at in range(len(tokens) - 1) if marked[at] and marked[at + 1]]
        if not cuts:
            last = next((token - begin for token in reversed(tokens) if token > begin), None)
            end_s = self._frames * SECONDS_PER_FRAME if last is None else last * SECONDS_PER_POSITION
            return self._note(tokens, 0.0, end_s), self._frames
        frames = self._frames if ends_once else FRAMES_PER_POSITION * (tokens[cuts[-1] - 1] - begin)
        if ends_once:
            cuts.append(len(tokens))
        kept, start = [], 0
        for cut in cuts:
            piece, start = tokens[start:cut], cut
            first, last = piece[0] - begin, piece[-1] - begin
            kept += self._note(piece, first * SECONDS_PER_POSITION, last * SECONDS_PER_POSITION)
        if not self.options.continuing and self.clip.mode == "window":
            kept += self._note(tokens[start:], frames * SECONDS_PER_FRAME, self._frames * SECONDS_PER_FRAME)
            frames = self._frames
        return kept, frames

    def _note(self, tokens: Sequence[int], start_s: float, end_s: float) -> list[int]:
        """Note a segment; its tokens, or none where it has no text or no length."""
        text = self.tokenizer.decode([token for token in tokens if token < self.tokenizer.eot]).strip()
        if start_s == end_s or not text:
            return []
        offset_s, begin = self._seek * SECONDS_PER_FRAME, self.tokenizer.timestamp_begin
        self._segments.append(Segment(round(offset_s + start_s, 2), round(offset_s + end_s, 2), text))
        ticks = self._seek // FRAMES_PER_POSITION
        self._timed += [token + ticks if token >= begin else token for token in tokens]
        return list(tokens)


def prompt_of(
    prior: Sequence[int],
    prefix: str,
    tokenizer: Tokenizer,
    dims: ModelDimensions | Dimensions,
    timestamps: bool,
) -> tuple[list[int], int]:
    """Return the tokens that a text begins with, and the place of the start mark among them.

    prior: tokens of the text before, which follow a mark of their own. As openai-whisper does: at most half of the text
    context of them, less one. prefix: the beginning of this text.
    """
    start, room = _start(tokenizer, timestamps), dims.n_text_ctx // 2 - 1
    before = [tokenizer.sot_prev, *list(prior)[-room:]] if prior else []
    begun = (
        tokenizer.encode(" " + prefix.strip(), disallowed_special=())[-(room - len(start)) :] if prefix.strip() else []
    )
    return [*before, *start, *begun], len(before)


def _start(tokenizer: Tokenizer, timestamps: bool) -> tuple[int, ...]:
    return tokenizer.sot_sequence if timestamps else tokenizer.sot_sequence_including_notimestamps
