"""The weighted mean of two trained models of one shape: often better than both of them.

python -m training.average run/e.pt swarm/models/bundled/swarm-nano.gguf --share 0.25 --out run/f.pt

After Wortsman and others, "Robust fine-tuning of zero-shot models" (2022), arXiv:2109.01903.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.train import Trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a checkpoint that training goes on from")
    parser.add_argument("other", type=Path, help="a checkpoint or GGUF file of before")
    parser.add_argument("--share", type=float, required=True, help="of the other one, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    state = torch.load(options.checkpoint, weights_only=True)
    other = Trainer.load(options.other).model.state_dict()
    # What the other lacks are heads of training alone, which no file of weights has.
    state["model"] = {
        name: value.lerp(other[name].to(value.dtype), options.share) if name in other else value
        for name, value in state["model"].items()
    }
    torch.save(state, options.out)


if __name__ == "__main__":
    main()
