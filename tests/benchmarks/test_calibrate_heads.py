"""Calibration of alignment heads with planted attention, and of `pocket` on a little speech."""

import json

import numpy as np
import torch
from earspan.benchmarks import calibrate_heads
from earspan.benchmarks.calibrate_heads import inside, main, passages
from earspan.datasets.recording import Recording, Word
from earspan.speech.model import load_recogniser
from earspan.speech.pocket.checkpoint import BUNDLED

WORDS = tuple(Word(f"word{n}", n * 0.5 + 0.05, n * 0.5 + 0.45) for n in range(20))


def test_passages_hold_whole_words_at_their_times():
    recording = Recording("r", np.arange(160_000, dtype=np.float32), "", WORDS, "planted", None)
    [found] = passages([recording], [2.2], 9.0)
    assert [len(p.words) for p in found] == [4, 3, 4, 3]  # what an edge cuts is left out
    assert found[1].clip.audio[0] == 2.2 * 16_000
    text, start_s, end_s = found[1].words[0]
    assert (text, round(start_s, 3), round(end_s, 3)) == ("word5", 0.35, 0.75)


class OneGoodHead:
    """Head (1, 0) attends to the middle of the word of the next token, (0, 0) anywhere, (0, 1) to the start."""

    def __init__(self, recogniser, heads) -> None:
        self.heads, self.tokenizer = heads, recogniser.tokenizer("en", "transcribe")

    def weights(self, clips, tokens):
        rng, found = np.random.default_rng(1), []
        for clip, row in zip(clips, tokens, strict=True):
            weights = torch.full((len(self.heads), len(row), len(clip.audio) // 320), 0.01)
            number = 0
            for token in range(len(row)):
                following = self.tokenizer.decode(row[token + 1 : token + 2])
                number += following.startswith(" ")
                middle = {(1, 0): int(((number - 1) * 0.5 + 0.25) * 50), (0, 1): 3}
                for h, head in enumerate(self.heads):
                    at = middle.get(head, int(rng.integers(5, weights.shape[-1] - 5)))
                    weights[h, token, max(0, at - 3) : at + 4] += 0.3
            found.append(weights)
        return found


def test_the_head_that_follows_the_words_is_found(monkeypatch):
    recording = Recording("r", np.zeros(160_000, np.float32), "", WORDS, "planted", None)
    monkeypatch.setattr(calibrate_heads, "Attention", OneGoodHead)
    shares = inside(load_recogniser("pocket"), list(passages([recording], [9.0], 10.0)), [(0, 0), (0, 1), (1, 0)])
    assert max(shares, key=shares.__getitem__) == ((1, 0),)
    assert shares[((1, 0),)] > 0.95
    assert shares[((0, 1),)] < 0.3


def test_pocket_is_calibrated_by_one_command(small_folder, tmp_path, capsys):
    file = tmp_path / "heads.json"
    file.write_text(json.dumps({"models": [{"model": "other", "heads": [[0, 0]]}, {"model": "pocket"}]}))
    main(["--dataset", str(small_folder), "--windows", "3", "--audio", "7", "--out", str(file)])
    other, pocket = json.loads(file.read_text())["models"]
    assert other == {"model": "other", "heads": [[0, 0]]}
    assert pocket == json.loads(capsys.readouterr().out)
    assert pocket["model_sha256"] == load_recogniser("pocket").sha256
    assert pocket["tokens_inside_their_word"] > 0.6


def test_the_bundled_calibration_is_of_the_bundled_checkpoint():
    import hashlib

    from earspan.speech.attention import CALIBRATED

    known = {entry["model"]: entry for entry in json.loads(CALIBRATED.read_text())["models"]}
    assert known["pocket"]["model_sha256"] == hashlib.sha256(BUNDLED.read_bytes()).hexdigest(), (
        "type python -m earspan.benchmarks.calibrate_heads"
    )
