"""CTranslate2, the library below faster-whisper, as an engine: other arithmetic, so here and there another text."""

from collections.abc import Iterator, Sequence

import torch
from whisper.audio import SAMPLE_RATE
from whisper.tokenizer import Tokenizer

from ..backends.errors import InputError
from .audio_features import SAMPLES_PER_POSITION, positions_of
from .cache import TranscriptCache
from .ct2_format import converted, ctranslate2
from .hypothesis import Clip, DecodeOptions, Hypothesis
from .mel import log_mel, pad_or_trim
from .model import Recogniser
from .transcriber import Transcriber, prompt_of

_VERSION = 2  # raise it when the same call may give another text


class Ct2Engine(Transcriber):
    """Transcribes with CTranslate2. compute_type: how weights are held and multiplied, as CTranslate2 names it.

    Greedy or beams, prompts, languages and suppression are decoded as options say; drafts are ignored. Raises
    `InputError` where the library is missing, and for options that it has no equal of.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        options: DecodeOptions | None = None,
        cache: TranscriptCache | None = None,
        compute_type: str = "float32",
        batch_audio_s: float = 240.0,
        threads: int = 0,
    ) -> None:
        library = ctranslate2()
        super().__init__(recogniser, options, cache, f"ctranslate2 {library.__version__} {compute_type} {_VERSION}")
        _check(self.options)
        device = recogniser.whisper.device.type
        if compute_type not in library.get_supported_compute_types(device):
            raise InputError(
                f"CTranslate2 has no {compute_type} on {device} here; type --engine ct2-int8 or ct2-float32"
            )
        self._library, self._batch_audio_s = library, batch_audio_s
        self._tokenizer: Tokenizer = recogniser.tokenizer(self.options.language, self.options.task)
        folder = converted(recogniser, compute_type)
        self._model = library.models.Whisper(str(folder), device, compute_type=compute_type, intra_threads=threads)

    def _compute(self, clips: Sequence[Clip]) -> Iterator[dict[int, Hypothesis]]:
        alike: dict[tuple[int, int, int], list[int]] = {}
        prompts = [prompt_of(clip, self._tokenizer, self.recogniser.dims) for clip in clips]
        for index, clip in enumerate(clips):
            prompt = prompts[index]
            kind = positions_of(clip, self.recogniser), len(prompt), self._prefix_tokens(prompt)
            alike.setdefault(kind, []).append(index)
        for (positions, _, _), indices in sorted(alike.items()):
            size = max(1, int(self._batch_audio_s * SAMPLE_RATE / (positions * SAMPLES_PER_POSITION)))
            for start in range(0, len(indices), size):
                part = indices[start : start + size]
                found = self._transcribe(positions, [clips[index] for index in part], [prompts[i] for i in part])
                yield dict(zip(part, found, strict=True))

    @torch.inference_mode()
    def _transcribe(self, positions: int, clips: list[Clip], prompts: list[list[int]]) -> list[Hypothesis]:
        samples = positions * SAMPLES_PER_POSITION
        audio = torch.stack([pad_or_trim(torch.from_numpy(clip.audio), samples) for clip in clips])
        features = self._library.StorageView.from_array(log_mel(audio, self.recogniser.dims.n_mels).numpy())
        budget = min(self.options.max_tokens, self.recogniser.dims.n_text_ctx - len(prompts[0]))
        prefix_tokens = self._prefix_tokens(prompts[0])  # all prompts are of one kind
        results = self._model.generate(
            features,
            prompts,
            beam_size=self.options.beam_size or 1,
            patience=self.options.patience or 1.0,
            length_penalty=1.0,
            # of this length, CTranslate2 generates at most half, and what the prompt leaves
            max_length=max(2 * (budget + prefix_tokens), len(prompts[0]) + budget),
            return_scores=True,
            suppress_blank=self.options.suppress_blank,
            suppress_tokens=[int(token) for token in self.options.suppress_tokens.split(",") if token],
        )
        return [
            self._hypothesis(result.sequences_ids[0], result.scores[0], len(prompt), prefix_tokens, budget)
            for result, prompt in zip(results, prompts, strict=True)
        ]

    def _prefix_tokens(self, prompt: list[int]) -> int:
        """How many tokens of text a prompt ends with. CTranslate2 returns them as part of what it wrote."""
        special = [at for at, token in enumerate(prompt) if token >= self._tokenizer.eot]
        return len(prompt) - 1 - special[-1]

    def _hypothesis(
        self, written: list[int], score: float, prompt_tokens: int, prefix_tokens: int, budget: int
    ) -> Hypothesis:
        tokens = written[prefix_tokens:][:budget]
        cut_off = len(tokens) >= budget
        text = self._tokenizer.decode([token for token in tokens if token < self._tokenizer.eot]).strip()
        # the score is a mean over all these tokens of a sum that holds the end mark's as well, but not the prefix's
        mean = score * len(written) / (len(tokens) + 1 - cut_off) if written else score
        steps = len(tokens) - cut_off
        self.decoder_passes += steps + 1
        return Hypothesis(text, prompt_tokens, steps, round(mean, 4), cut_off, tuple(tokens))


def _check(options: DecodeOptions) -> None:
    fields = ("timestamps", "compression_ratio_threshold", "log_probability_threshold", "no_speech_threshold")
    given = [name for name in (*fields, "length_penalty") if getattr(options, name) not in (None, False)]
    if options.temperatures != (0.0,):
        given.append("temperatures")
    if options.language is None:
        given.append("language detection")
    if given:
        raise InputError(f"CTranslate2 engine: no {given[0].replace('_', ' ')} here; type --engine torch")
