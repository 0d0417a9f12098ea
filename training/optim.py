"""Muon for the hidden matrices (Jordan et al., 2024): momentum made orthogonal."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalised(updates: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration to the nearest semi-orthogonal matrices, in bfloat16.

    `updates` is [matrices, rows, columns] with no more rows than columns.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = updates.to(torch.bfloat16)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, gram, x, beta=a)
    return x.to(updates.dtype)


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov momentum whose step is orthogonalised. Fused blocks go in parts.

    A parameter may carry `parts`, the number of equal row blocks that are separate matrices.
    Matrices of one shape, lying or standing, are orthogonalised together: a third of a step's time
    went there one by one.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002 - torch's signature
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                ahead = self._ahead(weight, group["momentum"])
                count = getattr(weight, "parts", 1)
                for row, part in zip(weight.chunk(count), ahead.chunk(count), strict=True):
                    shape = (min(part.shape), max(part.shape))
                    alike.setdefault(shape, []).append((row, part))
            for pairs in alike.values():
                _move(pairs, group["lr"])

    def _ahead(self, weight: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov's look ahead, after the velocity took the gradient in."""
        gradient = weight.grad
        velocity = self.state[weight].setdefault("velocity", torch.zeros_like(gradient))
        velocity.lerp_(gradient, 1 - momentum)
        return gradient.lerp(velocity, momentum)


def _move(pairs: list[tuple[Tensor, Tensor]], rate: float) -> None:
    """Step each weight along its orthogonalised update; standing matrices go transposed."""
    lying = [part.T if part.shape[0] > part.shape[1] else part for _, part in pairs]
    for (row, part), made in zip(pairs, orthogonalised(torch.stack(lying)), strict=True):
        gain = max(1.0, part.shape[0] / part.shape[1]) ** 0.5
        row.add_(made.T if part.shape[0] > part.shape[1] else made, alpha=-rate * gain)
