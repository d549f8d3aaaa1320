"""The service time of a call on a planted backend: the sum of its runs, each encoded at most once."""

from dataclasses import dataclass, field

import pytest
from earspan.backends.workload.models import DIMENSIONS
from earspan.backends.workload.workload import Workload
from earspan.speech.asr.hypothesis import DecoderRun, Hypothesis
from earspan.speech.strategies import Call
from earspan.speech.streaming.service import service_time

TINY = DIMENSIONS["tiny.en"]
CALL = Call(0.0, 12.0)


@dataclass
class PlantedTiming:
    phases: dict[str, float]

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())


@dataclass
class PlantedBackend:
    """Takes 1 s for features, 10 s to encode, a second for each token fed first, a tenth for each decode step."""

    asked: list[Workload] = field(default_factory=list)

    def serve(self, work: Workload, streams: int) -> PlantedTiming:
        assert streams == 3
        self.asked.append(work)
        phases = {"mel": 1.0, "encode": 10.0, "prefill": float(work.prompt_tokens), "decode": 0.1 * work.decode_tokens}
        return PlantedTiming(phases)


def run_of(prompt: int, steps: int, encoded: bool = True, audio_s: float = 4.0, **more) -> DecoderRun:
    return DecoderRun(0.0, audio_s, encoded, prompt, 0, tuple(range(steps)), True, steps, **more)


def seconds(*runs: DecoderRun, padding: str = "fit") -> tuple[float, list[Workload]]:
    backend = PlantedBackend()
    service_s = service_time(backend, TINY, TINY, streams=3, padding=padding)  # type: ignore[arg-type]
    return service_s(CALL, Hypothesis("some text", runs=runs)), backend.asked


def test_runs_are_summed_and_those_that_are_not_encoded_cost_no_encoding():
    first, again, next_part = run_of(2, 30), run_of(2, 50, encoded=False), run_of(7, 20, audio_s=8.0)
    found_s, asked = seconds(first, again, next_part)
    assert found_s == pytest.approx((11 + 2 + 3) + (2 + 5) + (11 + 7 + 2))
    assert [work.audio_s for work in asked] == [4.0, 4.0, 8.0]
    assert seconds()[0] == 0  # nothing was heard: no work


def test_a_padded_run_is_30_s_long_and_the_shortest_is_not_empty():
    assert [work.audio_s for work in seconds(run_of(2, 3), padding="full")[1]] == [30.0]
    assert [work.audio_s for work in seconds(run_of(2, 3, audio_s=0.01))[1]] == [0.02]


def test_a_drafted_run_is_as_many_passes_as_it_took():
    plain, _ = seconds(run_of(2, 40))
    drafted, [work] = seconds(run_of(2, 40, proposals=(12, 3, 0)))
    assert (work.prompt_tokens, work.decode_tokens) == (14, 2)
    assert drafted == pytest.approx(11 + 14 + 0.2)
    assert plain == pytest.approx(11 + 2 + 4)


def test_a_text_longer_than_the_timed_model_can_write_is_cut_to_its_context():
    _, [work] = seconds(run_of(300, 448))
    assert work.prompt_tokens + work.decode_tokens == TINY.n_text_ctx


def test_a_model_with_another_vocabulary_is_timed_with_tokens_of_its_own():
    backend, hypothesis = PlantedBackend(), Hypothesis("Straßenverkehr", runs=(run_of(1, 20),))
    multilingual = DIMENSIONS["tiny"]
    service_time(backend, multilingual, TINY, streams=3, padding="fit")(CALL, hypothesis)  # type: ignore[arg-type]
    [work] = backend.asked
    assert work.prompt_tokens == 3  # start, language and task, where the English model has a start mark only
    assert work.decode_tokens < 20
