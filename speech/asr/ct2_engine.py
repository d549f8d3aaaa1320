"""CTranslate2, the library below faster-whisper, as an engine: other arithmetic, so here and there another text."""

from collections.abc import Sequence

import torch

from ...backends.errors import InputError
from .cache import TranscriptCache
from .ct2_format import ctranslate2, ensure_converted
from .decoding.rules import LATEST_FIRST_TICK
from .decoding.transcribe import Attempt, Outcome
from .features import Part
from .hypothesis import Clip, DecodeOptions
from .model import Recogniser
from .transcriber import Transcriber

_VERSION = 3  # raise it when the same call may give another text


class Ct2Engine(Transcriber):
    """Transcribes with CTranslate2. compute_type: how weights are held and multiplied, as CTranslate2 names it.

    Calls are heard as `whisper.transcribe` hears them; drafts are ignored, and CTranslate2 samples by a generator of
    its own, so a text above temperature 0 is another one each time. Raises `InputError` where the library is missing,
    and for options that it has no equal of.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        options: DecodeOptions | None = None,
        cache: TranscriptCache | None = None,
        compute_type: str = "float32",
        together: int = 8,
        threads: int = 0,
    ) -> None:
        library = ctranslate2()
        super().__init__(recogniser, options, cache, f"ctranslate2 {library.__version__} {compute_type} {_VERSION}")
        if self.options.length_penalty is not None:
            raise InputError("CTranslate2 engine: no length penalty here; type --engine torch")
        device = recogniser.whisper.device.type
        if compute_type not in library.get_supported_compute_types(device):
            raise InputError(
                f"CTranslate2 has no {compute_type} on {device} here; type --engine ct2-int8 or ct2-float32"
            )
        self._library, self._size = library, together
        folder = ensure_converted(recogniser, compute_type)
        self._model = library.models.Whisper(str(folder), device, compute_type=compute_type, intra_threads=threads)

    def batch_size(self) -> int:
        return self._size

    @torch.inference_mode()
    def decode(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        alike: dict[tuple[int, int, float, bool], list[int]] = {}
        for index, attempt in enumerate(attempts):
            beginning = attempt.beginning
            only_text = attempt.part.clip.mode == "text"
            kind = len(beginning.prompt), self._begun(beginning.prompt), beginning.temperature, only_text
            alike.setdefault(kind, []).append(index)
        found: dict[int, Outcome] = {}
        for indices in alike.values():
            found |= dict(zip(indices, self._generate([attempts[index] for index in indices]), strict=True))
        return [found[index] for index in range(len(attempts))]

    def _generate(self, attempts: list[Attempt]) -> list[Outcome]:
        """Return what is written for attempts with prompts of one length and kind, at one temperature."""
        options, first = self.options, attempts[0]
        prompts, temperature = [attempt.beginning.prompt for attempt in attempts], first.beginning.temperature
        budget = min(options.max_tokens, self.recogniser.dims.n_text_ctx - len(prompts[0]))
        begun = self._begun(prompts[0])
        results = self._model.generate(
            self.encode(attempts),
            prompts,
            beam_size=1 if temperature or first.part.clip.mode == "text" else options.beam_size or 1,
            patience=options.patience or 1.0,
            num_hypotheses=(options.best_of or 1) if temperature else 1,
            length_penalty=1.0,
            # of this length, CTranslate2 generates at most half, and what the prompt but for its last token leaves
            max_length=max(2 * (budget + begun), len(prompts[0]) - 1 + budget),
            return_scores=True,
            return_no_speech_prob=True,
            max_initial_timestamp_index=LATEST_FIRST_TICK,
            suppress_blank=options.suppress_blank,
            suppress_tokens=[int(token) for token in options.suppress_tokens.split(",") if token],
            sampling_topk=0 if temperature else 1,
            sampling_temperature=temperature or 1.0,
        )
        return [self._outcome(result, begun, budget) for result in results]

    @torch.inference_mode()
    def encode(self, attempts: Sequence[Attempt]) -> object:
        """Return the encoder's output for all attempts. A step of its own, so that it can be timed."""
        together = torch.cat([self.features.spectrum(attempt.part) for attempt in attempts])
        return self._model.encode(self._library.StorageView.from_array(together.numpy()))

    def _begun(self, prompt: list[int]) -> int:
        """Return how many tokens of text a prompt ends with. CTranslate2 returns them as part of what it wrote."""
        special = [at for at, token in enumerate(prompt) if token >= self._tokenizer.eot]
        return len(prompt) - 1 - special[-1]

    def _outcome(self, result: object, begun: int, budget: int) -> Outcome:
        written, score = result.sequences_ids[0], result.scores[0]  # pyright: ignore[reportAttributeAccessIssue]
        tokens = tuple(written[begun:][:budget])
        ended = len(tokens) < budget
        # the score is a mean over all these tokens of a sum that holds the end mark's as well, but not the prefix's
        total = score * len(written) if written else score
        unlikely = result.no_speech_prob  # pyright: ignore[reportAttributeAccessIssue]
        steps = len(tokens) - (not ended)
        return Outcome(tokens, ended, total, unlikely, steps, passes=steps + 1)

    def detect_language(self, clip: Clip) -> str:
        features = self._library.StorageView.from_array(self.features.spectrum(Part(clip)).numpy())
        [languages] = self._model.detect_language(features)
        return languages[0][0].strip("<|>")
