"""When an engine is built anew."""

from scripts.build_engine import key_of
from scripts.engine_choice import Facts, choose


def key(machine: str, *features: str) -> str:
    return key_of(choose(Facts("Linux", machine, frozenset(features), {}, {})))


def test_a_native_engine_is_built_anew_on_a_processor_that_has_something_else() -> None:
    assert key("aarch64", "asimd") == key("aarch64", "asimd")
    assert key("aarch64", "asimd") != key("aarch64", "asimd", "asimddp")


def test_an_engine_of_named_instruction_sets_is_kept_where_only_others_differ() -> None:
    assert key("x86_64", "avx2") == key("x86_64", "avx2", "amx_int8")
    assert key("x86_64", "avx2") != key("x86_64", "avx")
