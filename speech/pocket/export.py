"""Step 3 of the recipe, `export`: from the trainer's state to the bundled checkpoint, or on to openai's format.

python -m earspan.speech.pocket.export --training build/pocket/training.pt --out speech/pocket/pocket.pt
python -m earspan.speech.pocket.export --expand pocket-openai.pt     # for whisper.load_model(...)
"""

import argparse
from pathlib import Path

import torch

from .checkpoint import BUNDLED, compact, expanded
from .vocabulary import used_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--training", type=Path, default=Path("build/pocket/training.pt"))
    parser.add_argument("--out", type=Path, default=BUNDLED)
    parser.add_argument("--expand", type=Path, help="write the bundled checkpoint in openai-whisper's own format")
    options = parser.parse_args()
    if options.expand:
        torch.save(expanded(), options.expand)
        print(f"wrote {options.expand}: whisper.load_model({str(options.expand)!r})")
        return
    state = torch.load(options.training, map_location="cpu", weights_only=True)

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): w for name, w in state["model"].items() if name.startswith(prefix)}

    heads = {name: part(f"{name}.") for name in ("letters", "phonemes")}
    torch.save(compact(state["dims"], part("whisper."), used_tokens(), heads), options.out)
    size_mb = options.out.stat().st_size / 1e6
    print(
        f"wrote {options.out}: {size_mb:.1f} MB, step {state['step']}, {state['heard_s'] / 3600:.1f} h of audio heard"
    )


if __name__ == "__main__":
    main()
