"""What the owner's settings make of this machine's models."""

import pytest

from api.serving import pool_of, wishes
from hardware.snapshot import Snapshot
from settings import ModelSettings, Settings
from swarm.models.choose import Choice
from swarm.models.fit import Wishes
from swarm.models.ids import Machine
from swarm.models.local import BUNDLED_ID, bundled_model

GIB = 1 << 30


def test_a_table_of_a_model_wins_over_what_is_general() -> None:
    own = {"a": ModelSettings(ctx=16_384)}
    settings = Settings().model_copy(update={"ctx": 131_072, "kv": "q8_0", "each_model": own})
    assert wishes(settings, "a") == Wishes(16_384, kv_type="q8_0")
    assert wishes(settings, "b") == Wishes(131_072, kv_type="q8_0")


def test_settings_of_a_model_that_is_not_here_are_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine(Snapshot("linux", "A Processor", 2, 2, frozenset(), GIB, GIB), "cpu")
    tables = {BUNDLED_ID: ModelSettings(ctx=512), "qwen2.5-coder:7b": ModelSettings(ctx=1024)}
    settings = Settings().model_copy(update={"each_model": tables})
    pool_of(Choice((bundled_model(),), "small"), machine, settings, {})
    told = '[models."qwen2.5-coder:7b"] holds for no model of this node; there is swarm-nano'
    assert [record.message for record in caplog.records] == [told]
