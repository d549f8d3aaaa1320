"""Chunks prompted with the text before, and what a loop costs."""

from earspan.speech.asr.hypothesis import Clip, Hypothesis
from earspan.speech.strategies import Prompted
from earspan.speech.strategies.prompted import last_words, loops
from earspan.speech.streaming.clock import Job, no_time, play
from hypothesis import given
from hypothesis import strategies as st

from ..planted import planted_speech


class LoopingEngine:
    """Repeats itself wherever there is a prompt that holds `trigger`."""

    def __init__(self, trigger: str) -> None:
        self.trigger, self.asked = trigger, list[Clip]()

    def transcribe(self, clips, progress=None) -> list[Hypothesis]:
        self.asked += clips
        said = ["over and " * 30 if self.trigger in clip.prompt else f"part {len(self.asked)}" for clip in clips]
        return [Hypothesis(text) for text in said]


def test_each_piece_is_prompted_with_the_text_before():
    engine = LoopingEngine("never")
    job = Job(planted_speech(0, 6.0), Prompted(2.0), no_time)
    play([job], engine)  # type: ignore[arg-type]
    assert [clip.prompt for clip in engine.asked] == ["", "part 1", "part 1 part 2"]
    assert job.text == "part 1 part 2 part 3"


def test_a_loop_is_heard_again_without_prompt_at_its_cost():
    engine = LoopingEngine("part 2")
    job = Job(planted_speech(0, 8.0), Prompted(2.0), lambda call, hypothesis: 0.5)
    play([job], engine)  # type: ignore[arg-type]
    assert [clip.prompt for clip in engine.asked] == ["", "part 1", "part 1 part 2", "", "part 4"]
    assert job.text == "part 1 part 2 part 4 part 5"
    assert [(p.call.end_s, p.finish_at_s) for p in job.played] == [(2, 2.5), (4, 4.5), (6, 6.5), (6, 7.0), (8, 8.5)]


def test_what_was_said_before_dropped_audio_is_no_prompt():
    engine = LoopingEngine("never")
    job = Job(planted_speech(0, 8.0), Prompted(1.0), lambda call, hypothesis: 5.0 if call.end_s < 2 else 0.1, "drop")
    play([job], engine)  # type: ignore[arg-type]
    assert [(p.call.start_s, clip.prompt) for p, clip in zip(job.played, engine.asked, strict=True)] == [
        (0, ""), (6, ""), (7, "part 2"),
    ]  # fmt: skip


def test_what_loops():
    assert loops("I see. " * 20)
    assert not loops("")
    assert not loops("The harbour was quiet, and only the clock of the town hall could be heard.")


@given(st.text("ab ", max_size=60), st.integers(0, 30))
def test_last_words_are_whole_and_fit(text: str, characters: int):
    kept = last_words(text, characters)
    words = text.split()
    assert kept.split() == words[len(words) - len(kept.split()) :]
    assert len(kept) <= characters
    more = words[len(words) - len(kept.split()) - 1 :]
    assert len(kept.split()) == len(words) or len(" ".join(more)) > characters
