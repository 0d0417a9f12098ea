"""What the owner's settings make of this machine's models."""

import pytest

from api.serving import fit_options, pool_of, vote_weights
from hardware.snapshot import Snapshot
from settings import ModelSettings, Settings
from swarm.models.choose import Choice
from swarm.models.fit import FitOptions
from swarm.models.local import BUNDLED_ID, bundled_model
from swarm.models.machine import Machine

GIB = 1 << 30


def test_a_table_of_a_model_wins_over_what_is_general() -> None:
    own = {"a": ModelSettings(ctx=16_384)}
    settings = Settings().model_copy(update={"ctx": 131_072, "kv": "q8_0", "each_model": own})
    assert fit_options(settings, "a") == FitOptions(16_384, kv_type="q8_0")
    assert fit_options(settings, "b") == FitOptions(131_072, kv_type="q8_0")


def test_settings_of_a_model_that_is_not_here_are_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine(Snapshot("linux", "A Processor", 2, 2, frozenset(), GIB, GIB), "cpu")
    tables = {BUNDLED_ID: ModelSettings(ctx=512), "qwen2.5-coder:7b": ModelSettings(ctx=1024)}
    settings = Settings().model_copy(update={"each_model": tables})
    pool_of(Choice((bundled_model(),), "small"), machine, settings, {})
    told = '[models."qwen2.5-coder:7b"] holds for no model of this node; there is swarm-nano'
    assert [record.message for record in caplog.records] == [told]


def test_weights_are_exact() -> None:
    vote = Settings.model_validate({"vote": {"weights": {"a": 0.1}}}).vote
    assert vote_weights(vote).models["a"] * 10 == 1
