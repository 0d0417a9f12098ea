"""Muon for the hidden matrices (Jordan et al., 2024): momentum made orthogonal."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalised(update: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration to the nearest semi-orthogonal matrix, in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update.to(torch.bfloat16)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(update.dtype)


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov momentum whose step is orthogonalised. Fused blocks go in parts.

    A parameter may carry `parts`, the number of equal row blocks that are separate matrices.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float, decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002 - torch's signature
        for group in self.param_groups:
            for weight in group["params"]:
                self._update(weight, group)

    def _update(self, weight: nn.Parameter, group: dict[str, float]) -> None:
        gradient = weight.grad
        if gradient is None:
            return
        state = self.state[weight]
        velocity = state.setdefault("velocity", torch.zeros_like(gradient))
        velocity.lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(velocity, group["momentum"])
        weight.mul_(1 - group["lr"] * group["decay"])
        for row, part in zip(
            weight.chunk(getattr(weight, "parts", 1)),
            ahead.chunk(getattr(weight, "parts", 1)),
            strict=True,
        ):
            gain = max(1.0, part.shape[0] / part.shape[1]) ** 0.5
            row.add_(orthogonalised(part), alpha=-group["lr"] * gain)
