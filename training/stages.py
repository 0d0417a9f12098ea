"""The curriculum: which data, how long the rows, how many tokens, which learning rates."""

from __future__ import annotations

from dataclasses import dataclass

from training.data import (
    chat,
    drills,
    far,
    graded,
    json_objects,
    lookup,
    made_up,
    opencode,
    questions,
    recall,
    sums,
)
from training.data.feed import Feed


@dataclass(frozen=True)
class Stage:
    """One leg of the training; rates go from `rate_from` to `rate_to` as shares of the peak."""

    name: str
    feed: Feed
    tokens: int
    rate_from: float = 1.0
    rate_to: float = 1.0
    seed: int = 0


DRILLS = {
    graded.match: 6.0,
    graded.fields: 3.0,
    drills.pick: 2.0,
    drills.choose: 1.5,
    drills.filled: 4.0,
    drills.spoken_steps: 1.0,
    drills.light_steps: 1.5,
    drills.many: 1.0,
    drills.alike: 0.5,
    drills.fits: 1.0,
    recall.table: 0.7,
    made_up.single: 1.5,
    opencode.single: 0.5,
    opencode.two_at_once: 0.3,
    opencode.edit_after_read: 0.4,
    sums.direct: 0.4,
    sums.worked: 0.3,
    json_objects.objects: 0.5,
    questions.about_text: 0.5,
    questions.dialogue_summary: 0.5,
    chat.talk: 0.2,
}

MIX = {
    lookup.repeat: 0.2,
    lookup.pairs: 0.6,
    recall.table: 0.4,
    graded.match: 0.25,
    graded.fields: 1.0,
    drills.pick: 0.25,
    drills.choose: 0.6,
    drills.filled: 2.0,
    drills.fits: 1.1,
    drills.spoken_steps: 0.5,
    drills.light_steps: 1.0,
    drills.many: 1.5,
    drills.alike: 1.6,
    made_up.single: 4.5,
    made_up.two_at_once: 1.6,
    made_up.loop: 0.6,
    opencode.single: 5.5,
    opencode.two_at_once: 2.2,
    opencode.loop: 1.9,
    opencode.edit_after_read: 1.8,
    opencode.value_change: 0.4,
    sums.direct: 0.9,
    sums.drill: 0.5,
    sums.worked: 0.6,
    json_objects.objects: 1.5,
    questions.about_text: 1.3,
    questions.about_file: 0.3,
    questions.dialogue_summary: 1.1,
    questions.work_summary: 0.1,
    questions.title: 0.2,
    chat.talk: 1.0,
    chat.no_tool_fits: 1.0,
}

LONG_MIX = MIX | {lookup.pairs: 1.2, far.pairs: 0.05, far.behind(opencode.single): 0.25}

STAGES = (
    Stage(
        "copy", Feed({lookup.repeat: 1.0}, longest=128, step_tokens=2048), tokens=1_300_000, seed=1
    ),
    Stage(
        "recall",
        Feed({recall.table: 1.0}, longest=448, step_tokens=4096, brief=1.0),
        tokens=4_000_000,
        rate_from=0.25,
        rate_to=0.25,
        seed=2,
    ),
    Stage(
        "drills",
        Feed(DRILLS, longest=448, step_tokens=6144, brief=0.95),
        tokens=10_000_000,
        rate_from=0.2,
        rate_to=0.2,
        seed=6,
    ),
    Stage(
        "brief",
        Feed(MIX, longest=448, step_tokens=4096, brief=0.9),
        tokens=10_000_000,
        rate_from=0.25,
        rate_to=0.16,
        seed=3,
    ),
    Stage(
        "full",
        Feed(MIX, longest=1536, step_tokens=6144, brief=0.65),
        tokens=23_000_000,
        rate_from=0.16,
        rate_to=0.05,
        seed=4,
    ),
    Stage(
        "long",
        Feed(LONG_MIX, longest=4096, step_tokens=6144, brief=0.5),
        tokens=9_000_000,
        rate_from=0.05,
        rate_to=0.002,
        seed=5,
    ),
)
BY_NAME = {stage.name: stage for stage in STAGES}
