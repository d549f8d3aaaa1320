"""Step 2 of the recipe, `train`: fit a small Whisper to random crops of the synthetic corpus.

    python -m earspan.speech.pocket.train --part encoder --crops 1.5..6 --noise 0 --steps 1500

One call is one phase; the model card has those that made `pocket`, one after the other. Stop it at any time and
start it again: it goes on from its last checkpoint, and step `k` sees the same crops whether or not it was
interrupted. What makes a Whisper this small learn to align in hours on two CPU cores:
* auxiliary CTC heads on the encoder, over phonemes in its middle and letters at its end; phonemes are what it learns
  by far the fastest, and subword tokens hardly help,
* the encoder alone first, on short crops with little noise, then everything, then longer crops,
* the encoder's sinusoids scaled to 0.1: at full size they drown the features of the untrained convolutions,
* one process of one thread a core, gradients averaged once a step: operations this small gain little from threads.
With a GPU, `--gpu --scale 8 --workers CORES`: it takes eight times the audio in a step no longer, and the other cores
cut the crops.
"""

import argparse
import os
import re
import signal
import socket
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed
from torch import nn
from torch.multiprocessing.spawn import spawn

from ...backends.errors import InputError
from .batches import CPU, DIMS, PARTS, Draft, Schedule, draw_batch
from .checkpoint import DAMAGED
from .corpus import SEED, at_least_one, load_shard, record_of
from .learner import Losses, PocketTrainer, losses
from .lessons import Preparation, lessons, lessons_of_a_listener
from .muon import Muon, sum_over_workers
from .targets import spoil
from .vocabulary import used_tokens

LONG_S = 12.0  # progress is reported for shorter crops and longer ones apart


def optimisers(model: PocketTrainer, rate: float, worker: int = 0, workers: int = 1) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for everything else.

    Muon's step is scaled to the size of AdamW's, so both follow one learning rate.
    """
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in learning if p.ndim == 2 and ".blocks." in name]
    others = [p for name, p in learning if not (p.ndim == 2 and ".blocks." in name)]
    return [
        Muon(matrices, lr=rate, weight_decay=0.02, worker=worker, workers=workers),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.02),
    ]


def _means(steps: list[torch.Tensor]) -> str:
    if not steps:
        return "-"
    means = dict(zip(Losses._fields, torch.stack(steps).mean(0).tolist(), strict=True))
    return " ".join(f"{name} {mean:.3f}" for name, mean in means.items() if mean)


def average_gradients(model: nn.Module, workers: int) -> None:
    """Replace every worker's gradients by their mean, in one message."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    sum_over_workers(gradients)
    for gradient in gradients:
        gradient /= workers


def begin_with(model: PocketTrainer, path: Path) -> float:
    """Give `model` the weights of another training, or of a `pocket` checkpoint such as the bundled one.

    Token rows are matched by token; those that the file lacks begin as its row for all unused tokens. Blocks that it
    lacks begin as ones that change nothing, CTC heads anew. Returns the seconds heard before. Raises `InputError`
    where it is neither, or a weight has another shape.
    """
    try:
        state = torch.load(path, weights_only=True, map_location=CPU)
        if "model_state_dict" in state:
            parts = {"whisper": state["model_state_dict"], **state.get("heads", {})}
            weights = {f"{part}.{name}": t.float() for part, tensors in parts.items() for name, t in tensors.items()}
        else:
            weights = dict(state["model"])
        table = weights["whisper.decoder.token_embedding.weight"]
        row_of = {int(token): row for row, token in enumerate(state["token_ids"])}
    except DAMAGED as error:
        raise InputError(f"{path}: no checkpoint; expected a training.pt or speech/pocket/pocket.pt") from error
    rows = [row_of.get(token, len(table) - 1) for token in (*used_tokens(), -1)]
    weights["whisper.decoder.token_embedding.weight"] = table[rows]
    own = model.state_dict()
    for name, tensor in weights.items():
        if name not in own or own[name].shape != tensor.shape:
            wanted = tuple(own[name].shape) if name in own else "no such weight"
            raise InputError(f"{path}: {name} has shape {tuple(tensor.shape)}; expected {wanted}")
    new = {name: torch.zeros_like(t) for name, t in own.items() if name not in weights and _OUTPUT.search(name)}
    model.load_state_dict({**own, **new, **weights})
    return float(state.get("heard_s", 0.0))


# The last layers of a block's branches: where they are 0, the block changes nothing.
_OUTPUT = re.compile(r"blocks\.\d+\.(?:attn\.out|cross_attn\.out|mlp\.2)\.")


def train(
    corpus_folder: Path,
    out: Path,
    schedule: Schedule,
    shards: int,
    save_every: int = 250,
    worker: int = 0,
    workers: int = 1,
    initial: Path | None = None,
    device: torch.device = CPU,
    loaders: int = 0,
) -> Path:
    """Train up to `schedule.steps`, from the last checkpoint in `out` if there is one. Returns the checkpoint.

    `initial` is a checkpoint of an earlier training whose weights the first step begins with.

    loaders: processes that make batches for `device`; 0 is a thread of this one.

    With several workers each process calls this, inside a `torch.distributed` group; the first one saves and reports.
    """
    torch.manual_seed(SEED)
    out.mkdir(parents=True, exist_ok=True)
    model = PocketTrainer(device)
    ears, mouth = (model.whisper.encoder, model.letters, model.phonemes), model.whisper.decoder
    for module in {"all": (), "encoder": (mouth,), "decoder": ears}[schedule.part]:
        module.requires_grad_(False)
    stepping = optimisers(model, schedule.peak_rate, worker, workers)
    checkpoint = out / "training.pt"
    first, heard_s = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(stepping, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        first, heard_s = state["step"], state["heard_s"]
        if worker == 0:
            print(f"going on from step {first}", flush=True)
    elif initial:
        heard_s = begin_with(model, initial)
    corpus = [recording for number in range(shards) for recording in load_shard(corpus_folder, number)]

    def draw(step: int) -> Draft:
        return draw_batch(corpus, schedule, step, worker, workers)

    prepared = Preparation(draw, device, loaders)
    steps = range(first, schedule.steps)
    alone = schedule.part == "decoder"  # the encoder hears, but does not learn
    began = time.monotonic()
    recent: dict[bool, list[torch.Tensor]] = {False: [], True: []}
    learnt = lessons_of_a_listener(model, prepared, steps) if alone else lessons(prepared, steps)
    for step, lesson in zip(steps, learnt, strict=True):
        for group in (group for optimizer in stepping for group in optimizer.param_groups):
            group["lr"] = schedule.rate(step)
        rng = np.random.default_rng((schedule.seed, step, worker, 1))
        batch = replace(lesson.batch, tokens=spoil(rng, lesson.batch.tokens))
        found = losses(model, batch, schedule.part, lesson.features, rng)
        model.zero_grad(set_to_none=True)
        found.total.backward()
        if workers > 1:
            average_gradients(model, workers)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in stepping:
            optimizer.step()
        heard_s += workers * lesson.heard_s
        long = lesson.crop_s >= LONG_S
        recent[long].append(found.values)
        if worker == 0 and (step + 1) % 50 == 0:
            pace = (time.monotonic() - began) / (step + 1 - first)
            means = "".join(f"  {name}: {_means(recent[long])}" for long, name in ((False, "short"), (True, "long")))
            print(
                f"step {step + 1}/{schedule.steps}{means}  heard {heard_s / 3600:.1f} h  {pace:.3g} s/step",
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


def _schedule(options: argparse.Namespace) -> Schedule:
    shortest_s, longest_s = options.crops
    return Schedule(
        options.steps, options.part, shortest_s, longest_s, options.noise, options.peak_rate, options.warmup,
        seed=options.seed, scale=options.scale,
    )  # fmt: skip


def _work(worker: int, workers: int, port: int, options: argparse.Namespace) -> None:
    # What a parent's death sends its workers; one begun with nohup would ignore it and train on beside its successor.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=worker, world_size=workers)
    train(
        options.corpus, options.out, _schedule(options), options.shards,
        worker=worker, workers=workers, initial=options.initial,
    )  # fmt: skip
    torch.distributed.destroy_process_group()


def _work_on_a_gpu(options: argparse.Namespace) -> None:
    torch.set_float32_matmul_precision("high")  # TF32, where a product is not in bfloat16
    # cuDNN's attention plans anew for every shape, and no two batches have the same: half a second a step (`LOG.md`).
    torch.backends.cuda.enable_cudnn_sdp(False)
    train(
        options.corpus, options.out, _schedule(options), options.shards,
        initial=options.initial, device=torch.device("cuda"), loaders=options.workers,
    )  # fmt: skip


def _seconds(text: str) -> tuple[float, float]:
    shortest, _, longest = text.partition("..")
    try:
        bounds = float(shortest), float(longest)
    except ValueError:
        bounds = (0.0, 0.0)
    if not 0.1 <= bounds[0] <= bounds[1] <= 30:
        raise argparse.ArgumentTypeError(f"{text}: expected two lengths within 0.1 to 30 s, such as 0.7..30")
    return bounds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/pocket/corpus"))
    parser.add_argument("--out", type=Path, default=Path("build/pocket"))
    usual = Schedule(6500)
    parser.add_argument("--steps", type=at_least_one, default=usual.steps)
    parser.add_argument("--shards", type=at_least_one, default=180)
    parser.add_argument("--initial", type=Path, help="begin with the weights of another training's checkpoint")
    parser.add_argument("--part", choices=PARTS, default=usual.part, help="what learns; the rest stays as it is")
    parser.add_argument(
        "--crops", type=_seconds, default=(usual.shortest_s, usual.longest_s), metavar="S..S", help="their lengths"
    )
    parser.add_argument("--noise", type=float, default=usual.noise_share, help="share of noisy crops")
    parser.add_argument("--peak-rate", type=float, default=usual.peak_rate, help="of learning, before it decays")
    parser.add_argument("--warmup", type=int, default=usual.warmup, help="steps until the learning rate is there")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the crops: another one for each phase")
    parser.add_argument("--workers", type=at_least_one, default=2, help="processes, one core each (default: 2)")
    parser.add_argument("--gpu", action="store_true", help="train on one; the workers prepare what it hears")
    parser.add_argument("--scale", type=at_least_one, default=usual.scale, help="times as much audio in a step")
    options = parser.parse_args()
    if missing := [n for n in range(options.shards) if not record_of(options.corpus, n).exists()]:
        parser.error(
            f"{options.corpus} lacks {len(missing)} of {options.shards} shards; make them first: "
            f"python -m earspan.speech.pocket.corpus --out {options.corpus} --shards {options.shards}"
        )
    if options.initial and not options.initial.is_file():
        parser.error(f"--initial {options.initial}: no such file; give a training.pt or speech/pocket/pocket.pt")
    if options.initial:
        try:
            begin_with(PocketTrainer(), options.initial)
        except InputError as error:
            parser.error(str(error))
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch finds none here; train on the processor without it")
    if options.gpu:
        _work_on_a_gpu(options)
    else:
        spawn(_work, (options.workers, _free_port(), options), nprocs=options.workers)


if __name__ == "__main__":
    main()
