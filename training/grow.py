"""Give a trained model more layers without changing what it answers, or another order of layers.

    python -m training.grow run/e.pt --layers 9 --out run/wide.pt
    python -m training.grow run/e.pt --order 1 3 4 7 0 6 7 8 9 --out run/other.pt

A number of `--order` is a layer as it was, counted from 1; 0 is a silent one. What a late layer
can do serves earlier ones too: a copy of the layer that compares words begins with comparing them.

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


@torch.no_grad()
def reordered(model: Nano, order: list[int]) -> Nano:
    """Another function: these layers in this order, counted from 1; a layer of 0 is silent.

    Raises ValueError for a layer that is not there.
    """
    old = model.shape.layers
    if wrong := [layer for layer in order if not 0 <= layer <= old]:
        raise ValueError(
            f"there is no layer {wrong[0]}; the model has layers 1 to {old}, and 0 is a silent one"
        )
    other = Nano(dataclasses.replace(model.shape, layers=len(order)))
    other.embedding.load_state_dict(model.embedding.state_dict())
    other.norm.load_state_dict(model.norm.state_dict())
    for layer, origin in zip(other.layers, order, strict=True):
        if origin:
            layer.load_state_dict(model.layers[origin - 1].state_dict())
    return other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("start", type=Path)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--layers", type=int)
    how.add_argument("--order", type=int, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    before = Trainer.load(options.start)
    made = (
        reordered(before.model, options.order)
        if options.order
        else grown(before.model, options.layers)
    )
    after = Trainer(made.shape)
    after.model.load_state_dict(made.state_dict())
    after.progress.total = before.progress.total
    after.save(options.out)


if __name__ == "__main__":
    main()
