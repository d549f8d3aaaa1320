"""Step 2 of the recipe, `train`: fit a small Whisper to random crops of the synthetic corpus.

    python -m earspan.speech.pocket.train --corpus build/pocket/corpus --out build/pocket

Stop it at any time and start it again: it goes on from its last checkpoint, and step `k` sees the same crops
whether or not it was interrupted. What makes a Whisper this small learn to align in hours on two CPU cores:
* an auxiliary CTC head over characters on the encoder (CTC over subword tokens hardly helps),
* short clean crops first, growing to 30 s and getting noisier,
* the encoder's sinusoids scaled to 0.1: at full size they drown the features of the untrained convolutions,
* one process of one thread a core, gradients averaged once a step: operations this small gain little from threads.
"""

import argparse
import math
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from whisper.model import Whisper

from ..model import encode
from .attention import use_whole_matrices
from .batches import DIMS, IGNORE, Batch, Schedule, make_batch
from .corpus import SEED, LongRecording, load_shard
from .vocabulary import LETTERS, N_VOCAB, used_tokens

SINUSOID_SCALE = 0.1
CACHED_FRAMES = 6000
POSITIONS_PER_S = 50  # encoder positions
SPAN_MARGIN_S = 0.06
ALIGNMENT_WEIGHT = 1.0
LONG_S = 12.0  # progress is reported for shorter crops and longer ones apart


class PocketTrainer(nn.Module):
    """A Whisper with a compact token table, and the CTC head that training adds."""

    def __init__(self) -> None:
        super().__init__()
        self.whisper = Whisper(DIMS)
        use_whole_matrices(self.whisper.encoder)
        self.ctc = nn.Linear(DIMS.n_audio_state, len(LETTERS) + 1)
        decoder = self.whisper.decoder
        decoder.token_embedding = nn.Embedding(len(used_tokens()) + 1, DIMS.n_text_state)
        nn.init.normal_(decoder.token_embedding.weight, std=0.05)
        # openai-whisper leaves this parameter as uninitialised memory.
        nn.init.normal_(decoder.positional_embedding, std=0.01)
        dict(self.whisper.encoder.named_buffers())["positional_embedding"].mul_(SINUSOID_SCALE)
        multiplicity = torch.zeros(len(used_tokens()) + 1)
        multiplicity[-1] = math.log(N_VOCAB - len(used_tokens()))
        self.register_buffer("log_multiplicity", multiplicity, persistent=False)

        # What the guided head of each decoder layer asks for and finds, for `alignment_loss`.
        self.queries: dict[int, Tensor] = {}
        self.keys: dict[int, Tensor] = {}
        for layer in range(DIMS.n_text_layer):
            attention = decoder.get_submodule(f"blocks.{layer}.cross_attn")
            attention.get_submodule("query").register_forward_hook(_keep(self.queries, layer))
            attention.get_submodule("key").register_forward_hook(_keep(self.keys, layer))

    def forward(self, mel: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Token logits, shape = (batch, tokens, rows), and CTC logits, shape = (batch, frames // 2, letters + 1)."""
        # Where the encoder learns nothing, parts of a batch stay in the processor's caches.
        together = len(mel) if self.ctc.weight.requires_grad else max(1, CACHED_FRAMES // mel.shape[-1])
        features = torch.cat([encode(self.whisper.encoder, part) for part in mel.split(together)])
        logits = self.whisper.decoder(tokens, features).float() + self.log_multiplicity
        return logits, self.ctc(features).float()


def _keep(store: dict[int, Tensor], layer: int):
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        store[layer] = output

    return hook


def alignment_loss(queries: Tensor, keys: Tensor, spans_s: Tensor) -> Tensor:
    """Minus the log of the attention that the first head pays to the frames of the right word, mean over tokens.

    `queries` shape = (batch, tokens, state), `keys` shape = (batch, positions, state), `spans_s` the words' times. In
    long crops the decoder otherwise takes long to find where it is (guided attention: Tachibana et al. 2018).
    """
    width = DIMS.n_text_state // DIMS.n_text_head
    scores = queries[..., :width].float() @ keys[..., :width].float().transpose(1, 2) * width**-0.5
    seconds = torch.arange(keys.shape[1]) / POSITIONS_PER_S
    start_s, end_s = spans_s[..., :1] - SPAN_MARGIN_S, spans_s[..., 1:] + SPAN_MARGIN_S
    inside = (seconds >= start_s) & (seconds <= end_s)
    known = (spans_s[..., 1] >= 0) & inside.any(-1)
    attention = scores.log_softmax(-1).masked_fill(~inside, -1e4).logsumexp(-1)
    return -attention[known].sum() / max(1, int(known.sum()))


def losses(model: PocketTrainer, batch: Batch) -> tuple[Tensor, Tensor, Tensor, float]:
    """Cross-entropy of the decoder, CTC loss a letter of the encoder, alignment loss, share of tokens guessed right.

    The last decoder layer is led to the word to be written, the others to the word just written.
    """
    with torch.autocast("cpu", torch.bfloat16):
        logits, ctc_logits = model(batch.mel, batch.tokens)
    token_loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE)
    ctc_loss = ctc_loss_of(ctc_logits, batch) if ctc_logits.requires_grad else torch.zeros(())
    known = batch.targets != IGNORE
    right = float((logits.argmax(-1) == batch.targets)[known].float().mean())
    previous_s = torch.cat([torch.full_like(batch.spans_s[:, :1], -1.0), batch.spans_s[:, :-1]], dim=1)
    *earlier, last = range(DIMS.n_text_layer)
    aligned = alignment_loss(model.queries[last], model.keys[last], batch.spans_s)
    for layer in earlier:
        aligned = aligned + alignment_loss(model.queries[layer], model.keys[layer], previous_s) / len(earlier)
    return token_loss, ctc_loss, aligned, right


def ctc_loss_of(ctc_logits: Tensor, batch: Batch) -> Tensor:
    """CTC loss a letter."""
    frames = torch.full((len(batch.mel),), ctc_logits.shape[1])
    log_probabilities = ctc_logits.log_softmax(-1).transpose(0, 1)
    loss = F.ctc_loss(
        log_probabilities, batch.letters, frames, batch.letter_counts, reduction="sum", zero_infinity=True
    )
    return loss / max(1, int(batch.letter_counts.sum()))


def optimisers(model: PocketTrainer, rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for everything else.

    Muon's step is scaled to the size of AdamW's, so both follow one learning rate.
    """
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in learning if p.ndim == 2 and ".blocks." in name]
    others = [p for name, p in learning if not (p.ndim == 2 and ".blocks." in name)]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.02),
    ]


def _means(steps: list[tuple[float, ...]]) -> str:
    if not steps:
        return "-"
    token, ctc, alignment, right = np.mean(steps, axis=0)
    return f"token {token:.3f} ctc {ctc:.3f} align {alignment:.3f} right {right:.3f}"


def average_gradients(model: nn.Module, workers: int) -> None:
    """Replace every worker's gradients by their mean, in one message."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= workers
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def begin_with(model: PocketTrainer, path: Path) -> float:
    """Give `model` the weights of another training, or of a `pocket` checkpoint such as the bundled one.

    Token rows are matched by token; those that the file lacks begin as its row for all unused tokens. Where it lacks
    the CTC head, that begins anew. Returns the seconds heard before.
    """
    state = torch.load(path, weights_only=True)
    if "model_state_dict" in state:
        parts = {"whisper": state["model_state_dict"], "ctc": state.get("ctc", {})}
        weights = {f"{part}.{name}": t.float() for part, tensors in parts.items() for name, t in tensors.items()}
    else:
        weights = dict(state["model"])
    table = weights["whisper.decoder.token_embedding.weight"]
    row_of = {int(token): row for row, token in enumerate(state["token_ids"])}
    rows = [row_of.get(token, len(table) - 1) for token in (*used_tokens(), -1)]
    weights["whisper.decoder.token_embedding.weight"] = table[rows]
    own = model.state_dict()
    model.load_state_dict({**own, **{k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}})
    return float(state.get("heard_s", 0.0))


def train(
    corpus_folder: Path,
    out: Path,
    schedule: Schedule,
    shards: int,
    save_every: int = 250,
    worker: int = 0,
    workers: int = 1,
    initial: Path | None = None,
) -> Path:
    """Train up to `schedule.steps`, from the last checkpoint in `out` if there is one. Returns the checkpoint.

    `initial` is a checkpoint of an earlier training whose weights the first step begins with.

    With several workers each process calls this, inside a `torch.distributed` group; the first one saves and reports.
    """
    torch.manual_seed(SEED)
    out.mkdir(parents=True, exist_ok=True)
    model = PocketTrainer()
    if schedule.only_decoder:
        model.whisper.encoder.requires_grad_(False)
        model.ctc.requires_grad_(False)
    stepping = optimisers(model, schedule.peak_rate)
    checkpoint = out / "training.pt"
    first, heard_s = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(stepping, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        first, heard_s = state["step"], state["heard_s"]
        if worker == 0:
            print(f"going on from step {first}", flush=True)
    elif initial:
        heard_s = begin_with(model, initial)
    corpus: list[LongRecording] = []
    loaded = 0

    def prepare(step: int) -> Batch:
        nonlocal loaded
        # Shards join one by one, at steps fixed beforehand, so training can begin while later ones are being made.
        wanted = min(shards, 20 + step // 10) if schedule.learned < 1 else shards
        while loaded < wanted:
            corpus.extend(load_shard(corpus_folder, loaded))
            loaded += 1
        return make_batch(corpus, schedule, step, worker, workers)

    began = time.monotonic()
    recent: dict[bool, list[tuple[float, ...]]] = {False: [], True: []}
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(prepare, first)
        for step in range(first, schedule.steps):
            batch = upcoming.result()
            upcoming = pool.submit(prepare, step + 1)
            for group in (group for optimizer in stepping for group in optimizer.param_groups):
                group["lr"] = schedule.rate(step)
            token_loss, ctc_loss, aligned, right = losses(model, batch)
            model.zero_grad(set_to_none=True)
            (token_loss + ctc_loss + ALIGNMENT_WEIGHT * aligned).backward()
            if workers > 1:
                average_gradients(model, workers)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in stepping:
                optimizer.step()
            heard_s += workers * batch.mel.shape[0] * batch.mel.shape[2] / 100
            long = batch.mel.shape[2] >= 100 * LONG_S
            recent[long].append((token_loss.item(), ctc_loss.item(), aligned.item(), right))
            if worker == 0 and (step + 1) % 50 == 0:
                pace = (time.monotonic() - began) / (step + 1 - first)
                means = "".join(
                    f"  {name}: {_means(recent[long])}" for long, name in ((False, "short"), (True, "long"))
                )
                print(
                    f"step {step + 1}/{schedule.steps}{means}  heard {heard_s / 3600:.1f} h  {pace:.2f} s/step",
                    flush=True,
                )
                recent = {False: [], True: []}
            if worker == 0 and ((step + 1) % save_every == 0 or step + 1 == schedule.steps):
                state = {"model": model.state_dict(), "step": step + 1, "heard_s": heard_s, "dims": asdict(DIMS)}
                state["token_ids"] = torch.tensor(used_tokens())
                kept = [optimizer.state_dict() for optimizer in stepping]
                torch.save({**state, "optimizers": kept}, checkpoint.with_suffix(".partial"))
                os.replace(checkpoint.with_suffix(".partial"), checkpoint)
    return checkpoint


def _work(worker: int, workers: int, port: int, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=worker, world_size=workers)
    schedule, where = (
        Schedule(options.steps, options.learned, options.peak_rate, options.warmup, only_decoder=options.only_decoder),
        {"worker": worker, "workers": workers, "initial": options.initial},
    )
    train(options.corpus, options.out, schedule, options.shards, **where)
    torch.distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/pocket/corpus"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket"))
    parser.add_argument("--steps", type=int, default=6500)
    parser.add_argument("--shards", type=int, default=50)
    parser.add_argument("--initial", type=Path, help="begin with the weights of another training's checkpoint")
    parser.add_argument(
        "--learned", type=float, default=0.0, help="the share of the growing difficulty that --initial went through"
    )
    parser.add_argument("--peak-rate", type=float, default=Schedule(1).peak_rate, help="of learning, before it decays")
    parser.add_argument("--warmup", type=int, default=Schedule(1).warmup, help="steps until the learning rate is there")
    parser.add_argument("--only-decoder", action="store_true", help="leave the encoder as it is; long crops")
    parser.add_argument("--workers", type=int, default=2, help="processes, one core each (default: 2)")
    options = parser.parse_args()
    spawn(_work, (options.workers, _free_port(), options), nprocs=options.workers)


if __name__ == "__main__":
    main()
