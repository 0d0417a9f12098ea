"""Give a trained model more layers without changing what it answers.

    python -m training.grow run/e.pt --layers 9 --out run/wide.pt

A new layer is a copy of the one before it whose two outputs are zero (as in LLaMA Pro, Wu et al.,
2024): it adds nothing to the stream until training moves it, and its queries, keys and gates
begin with something useful.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from training.model import Nano
from training.train import Trainer

SILENT = ("attention_out", "down")


def sources(old: int, new: int) -> list[tuple[int, bool]]:
    """For each new layer the old one that it comes from, and whether it is the first of that."""
    origin = [place * old // new for place in range(new)]
    return [(layer, layer not in origin[:place]) for place, layer in enumerate(origin)]


@torch.no_grad()
def grown(model: Nano, layers: int) -> Nano:
    """The same function with `layers` layers, of which the added ones are silent.

    Raises ValueError where there would be fewer layers than before.
    """
    old = model.shape.layers
    if layers < old:
        raise ValueError(f"the model has {old} layers already, {layers} are fewer")
    larger = Nano(dataclasses.replace(model.shape, layers=layers))
    larger.embedding.load_state_dict(model.embedding.state_dict())
    larger.norm.load_state_dict(model.norm.state_dict())
    for layer, (origin, first) in zip(larger.layers, sources(old, layers), strict=True):
        layer.load_state_dict(model.layers[origin].state_dict())
        if not first:
            for name in SILENT:
                getattr(layer, name).weight.zero_()
    return larger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("start", type=Path)
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    before = Trainer.load(options.start)
    after = Trainer(dataclasses.replace(before.model.shape, layers=options.layers))
    after.model.load_state_dict(grown(before.model, options.layers).state_dict())
    after.progress.total = before.progress.total
    after.save(options.out)


if __name__ == "__main__":
    main()
