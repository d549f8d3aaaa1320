"""Between the recipe's steps, `average`: the mean of two trainings' weights, where one went on from the other.

    python -m earspan.speech.pocket.average build/pocket/d4/training.pt build/pocket/d6/training.pt --share 0.6

The first may be a `pocket` checkpoint too, such as the bundled one. What a phase gains on its own crops it loses
elsewhere: heard in crops of up to 20 s, `pocket` gained at 5 s and lost at 30 s. The mean of the weights before and
after keeps most of both ("WiSE-FT", Wortsman et al. 2021, arXiv 2109.01903). Begin the next phase with it
(`--initial`), or export it.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from ...backends.errors import InputError
from .corpus import SEED
from .learner import PocketTrainer
from .train import begin_with
from .vocabulary import used_tokens


def averaged(before: dict[str, Any], after: dict[str, Any], share: float) -> dict[str, Any]:
    """A training's state with `share` of the weights of `after` and the rest of `before`; without optimisers.

    Raises `InputError` where the two are not of one model.
    """
    old, new = before["model"], after["model"]
    if {name: w.shape for name, w in old.items()} != {name: w.shape for name, w in new.items()}:
        raise InputError("the two trainings have weights of other names or shapes; give two of one model and recipe")
    if not torch.equal(before["token_ids"], after["token_ids"]):
        raise InputError("the two trainings have other tokens; give two of one vocabulary")
    mean = {name: torch.lerp(old[name].float(), weight.float(), share) for name, weight in new.items()}
    kept = {key: value for key, value in after.items() if key != "optimizers"}
    return {**kept, "model": mean}


def _begun(path: Path) -> dict[str, Any]:
    """The state of a training, or of one that begins with the checkpoint at `path`."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    if "model" in state:
        return state
    torch.manual_seed(SEED)  # blocks that the file lacks begin as they did in the training
    model = PocketTrainer()
    begin_with(model, path)
    return {"model": model.state_dict(), "token_ids": torch.tensor(used_tokens())}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path, help="a training.pt, or speech/pocket/pocket.pt")
    parser.add_argument("after", type=Path, help="a training.pt that went on from it")
    parser.add_argument("--share", type=float, default=0.5, help="of the weights after (default: 0.5)")
    parser.add_argument("--out", type=Path, default=Path("build/pocket/averaged.pt"))
    options = parser.parse_args()
    if not 0 <= options.share <= 1:
        parser.error(f"--share {options.share:g}: expected 0 to 1")
    for path in (options.before, options.after):
        if not path.is_file():
            parser.error(f"{path}: no such file; give the training.pt of two phases")
    after = torch.load(options.after, map_location="cpu", weights_only=True)
    if "model" not in after:
        parser.error(f"{options.after}: a checkpoint without a training's state; give the training.pt of a phase")
    try:
        mean = averaged(_begun(options.before), after, options.share)
    except InputError as error:
        parser.error(str(error))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(mean, options.out)
    print(f"wrote {options.out}: {options.share:g} of {options.after}, the rest of {options.before}")


if __name__ == "__main__":
    main()
