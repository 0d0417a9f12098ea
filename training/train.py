"""Train one stage of the curriculum, from a checkpoint or from nothing, and save the result.

    python -m training.train copy --out run/copy.pt
    python -m training.train recall --start run/copy.pt --out run/recall.pt

    python -m training.train long --start swarm/models/bundled/swarm-nano.gguf --out run/more.pt

SIGTERM ends a stage early with a checkpoint; starting again with `--start` equal to `--out`
goes on where it stopped.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from training.data.feed import Batch, in_background
from training.export import read_weights
from training.model import HINT_SHARES, HINTS, ModelShape, Nano
from training.optim import Muon
from training.stages import BY_NAME, Stage
from training.tokenizer import Tokenizer

MUON_RATE, ADAM_RATE = 0.02, 3e-3
WARM_STEPS = 100
STEP_TARGETS = 500
SAVE_EVERY_S, REPORT_EVERY_S = 120.0, 15.0


@dataclass
class Progress:
    """Where a run stands; `stage` and `done` let a stopped stage go on."""

    stage: str = ""
    done: int = 0
    total: int = 0
    steps: int = 0


class Trainer:
    """The model, its two optimizers and the progress, as saved in a checkpoint."""

    def __init__(self, shape: ModelShape) -> None:
        torch.manual_seed(0)
        self.model = Nano(shape)
        self.progress = Progress()
        matrices, rest = [], []
        for name, weight in self.model.named_parameters():
            hidden = weight.ndim == 2 and name.startswith("layers.")
            (matrices if hidden else rest).append(weight)
            if hidden:
                weight.parts = {"query_key_value": 3}.get(name.split(".")[-2], 1)
        self.muon = Muon(matrices, lr=MUON_RATE, momentum=0.95)
        self.adam = torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, batches: Sequence[Batch], rate: float) -> Counter[str]:
        """One update from all batches together; gives the mean losses of their targets, by kind."""
        warm = min(1.0, (self.progress.steps + 1) / WARM_STEPS)
        self.muon.param_groups[0]["lr"] = MUON_RATE * rate * warm
        self.adam.param_groups[0]["lr"] = ADAM_RATE * rate * warm
        counts = {
            kind: sum(int((batch.hints[kind] >= 0).sum()) for batch in batches) for kind in HINTS
        }
        counts["answer"] = targets_in(batches)
        total: Counter[str] = Counter()
        for batch in batches:
            ids, targets = torch.from_numpy(batch.ids), torch.from_numpy(batch.targets)
            hints = {kind: torch.from_numpy(marks) for kind, marks in batch.hints.items()}
            with torch.autocast("cpu", dtype=torch.bfloat16):
                losses = self.model.losses(ids, targets, hints, counts)
            sum(loss * HINT_SHARES.get(kind, 1.0) for kind, loss in losses.items()).backward()
            total.update({kind: loss.item() for kind, loss in losses.items()})
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in (self.muon, self.adam):
            optimizer.step()
            optimizer.zero_grad()
        return total

    def save(self, path: Path) -> None:
        """Write beside the goal, then replace it, so that a cut leaves the last one whole."""
        state = {
            "shape": asdict(self.model.shape),
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "progress": asdict(self.progress),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    @classmethod
    def load(cls, path: Path) -> Trainer:
        """From a checkpoint, or from an exported file without the state of the optimizers."""
        if path.suffix == ".gguf":
            shape, weights = read_weights(path)
            trainer = cls(shape)
            fresh = trainer.model.hints.state_dict(prefix="hints.")  # no file has them
            trainer.model.load_state_dict(weights | fresh)
            return trainer
        state = torch.load(path, weights_only=True)
        trainer = cls(ModelShape(**state["shape"]))
        trainer.model.load_state_dict(state["model"])
        if state["muon"]:
            trainer.muon.load_state_dict(state["muon"])
        trainer.adam.load_state_dict(state["adam"])
        trainer.progress = Progress(**state["progress"])
        return trainer


class Stop:
    """Set by SIGTERM or SIGINT; looked at between steps."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def gathered(feed: Iterator[Batch]) -> list[Batch]:
    """Batches with enough targets for a step: one long row alone has too few to go by."""
    batches = [next(feed)]
    while targets_in(batches) < STEP_TARGETS:
        batches.append(next(feed))
    return batches


def targets_in(batches: Sequence[Batch]) -> int:
    return sum(int((batch.targets >= 0).sum()) for batch in batches)


def rate_at(stage: Stage, done: int) -> float:
    """The learning rate as a share of its peak, linear over the stage."""
    share = min(1.0, done / stage.tokens)
    return stage.rate_from + (stage.rate_to - stage.rate_from) * share


def run(trainer: Trainer, stage: Stage, out: Path) -> None:
    """Train until the stage's tokens are used up or a signal comes; save as it goes."""
    progress = trainer.progress
    if progress.stage != stage.name:
        progress.stage, progress.done = stage.name, 0
    stop = Stop()
    feed = in_background(stage.feed, seed=stage.seed * 1_000_003 + progress.steps)
    saved = reported = time.monotonic()
    losses: list[Counter[str]] = []
    counted = 0
    while progress.done < stage.tokens and not stop.asked:
        batches = gathered(feed)
        losses.append(trainer.step(batches, rate_at(stage, progress.done)))
        tokens = sum(batch.ids.size for batch in batches)
        progress.done += tokens
        progress.total += tokens
        progress.steps += 1
        counted += tokens
        now = time.monotonic()
        if now - reported > REPORT_EVERY_S:
            report(progress, losses, counted / (now - reported))
            losses, counted, reported = [], 0, now
        if now - saved > SAVE_EVERY_S:
            trainer.save(out)
            saved = now
    trainer.save(out)


def report(progress: Progress, losses: list[Counter[str]], speed: float) -> None:
    """One line a while for the log."""
    means = {
        kind: sum(loss[kind] for loss in losses) / max(1, sum(kind in loss for loss in losses))
        for kind in ("answer", *HINTS)
    }
    shown = " ".join(f"{kind} {mean:.4f}" for kind, mean in means.items())
    print(
        f"{time.strftime('%H:%M:%S')} {progress.stage} {progress.done / 1e6:.2f}M"
        f" (total {progress.total / 1e6:.2f}M) {shown} {speed:.0f} tokens/s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=sorted(BY_NAME))
    parser.add_argument("--start", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.start and options.start.exists():
        trainer = Trainer.load(options.start)
    else:
        trainer = Trainer(ModelShape(vocabulary=len(Tokenizer.load())))
    run(trainer, BY_NAME[options.stage], options.out)


if __name__ == "__main__":
    main()
