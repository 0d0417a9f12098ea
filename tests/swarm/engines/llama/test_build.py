import json

import pytest

from hardware.detect import detect
from swarm.engines.llama.build import Build, check_build, installed_build, parse_stamp
from swarm.errors import ConfigurationError

STAMP = {"kind": "cpu", "reason": "no accelerator", "required_features": ["avx2", "avx512f"]}


def test_a_processor_that_lacks_an_instruction_set_is_told_before_anything_loads():
    build = parse_stamp(json.dumps(STAMP))
    with pytest.raises(ConfigurationError, match=r"avx512f.*make clean setup"):
        check_build(build, frozenset({"avx2", "sse4_2"}))


def test_a_processor_that_has_them_all_or_that_nobody_knows_is_let_through():
    build = parse_stamp(json.dumps(STAMP))
    check_build(build, frozenset({"avx2", "avx512f", "more"}))
    check_build(build, frozenset())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": 1, "reason": 2}'])
def test_a_damaged_stamp_says_what_mends_it(text):
    with pytest.raises(ConfigurationError, match="make setup"):
        parse_stamp(text)


def test_the_engine_of_this_machine_suits_it():
    build = installed_build()
    assert isinstance(build, Build)
    check_build(build, detect({}).features)
