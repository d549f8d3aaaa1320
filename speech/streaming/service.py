"""How long a backend takes for calls as they went: for every pass of the encoder and the decoder that was made."""

from functools import cache

from whisper.tokenizer import Tokenizer, get_tokenizer

from ...backends.timing import Backend
from ...backends.workload.drafting import apply_draft
from ...backends.workload.models import Dimensions
from ...backends.workload.op import LONGEST_S
from ...backends.workload.workload import Workload
from ..asr.decoding.token_counts import recount
from ..asr.hypothesis import SECONDS_PER_TICK, DecoderRun, Hypothesis
from ..strategies import Call
from .clock import ServiceTime


def measured_time(call: Call, hypothesis: Hypothesis) -> float:
    """Return the seconds that a call really took where it was made: the clock of backends that are measured."""
    if hypothesis.measured_s is None:
        raise ValueError(f"nobody measured the call of {call.start_s:g} to {call.end_s:g} s")
    return hypothesis.measured_s


def service_time(
    backend: Backend, timed: Dimensions, heard: Dimensions, *, streams: int, padding: str = "full"
) -> ServiceTime:
    """Return the function that says how many seconds `backend` takes for one call of each of `streams` streams.

    timed: dimensions of the Whisper whose time is asked for.
    heard: dimensions of the Whisper that transcribed. Where it has another vocabulary, the texts are counted in
    tokens of the timed one.
    padding: "full" if every encoder pass is over 30 s, as Whisper's is; "fit" if it is as long as its audio.
    """

    @cache  # thousands of calls have few sizes
    def seconds_for(work: Workload, encoded: bool) -> float:
        timing = backend.serve(work, streams)
        return timing.seconds if encoded else timing.seconds - timing.phases["mel"] - timing.phases["encode"]

    def run_s(run: DecoderRun) -> float:
        work = Workload(
            timed,
            audio_s=LONGEST_S if padding == "full" else max(run.audio_s, SECONDS_PER_TICK),
            padding=padding,
            prompt_tokens=run.prompt_tokens,
            decode_tokens=min(run.decode_tokens, timed.n_text_ctx - run.prompt_tokens),
        )
        return seconds_for(apply_draft(work, run.proposals), run.encoded)

    def service_s(call: Call, hypothesis: Hypothesis) -> float:
        if timed.n_vocab != heard.n_vocab:
            hypothesis = recount(_tokenizer(timed), _tokenizer(heard), hypothesis)
        return sum(map(run_s, hypothesis.runs))

    return service_s


@cache  # each reads a vocabulary of 50,000 tokens
def _tokenizer(dims: Dimensions) -> Tokenizer:
    several = dims.multilingual
    return get_tokenizer(several, language="en" if several else None, task="transcribe" if several else None)
