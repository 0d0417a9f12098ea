"""The bundled vocabulary in MLX's form: llama.cpp's ids, whatever the text."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.errors import InvalidRequest
from swarm.models.local import bundled_model
from tests.swarm.engines.mlx.tokenizers import byte_fallback, with_beginning, with_lengths

pytestmark = pytest.mark.needs("mlx")

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|pad|>", "<tool_call>", "</tool_call>"]
GLUE = ['{"name": "', '", "arguments": {"', '": ', '", "', '"}}', '\\"', "\\n", "\\\\", "    "]
FRAGMENTS = [
    *SPECIAL,
    *GLUE,
    *'"\\n:, {}<|>/_',
    "There's",
    "naïve",
    "漢字",
    "🦙",
    "\r\n\t",
    "12",
    "\0",
]


@pytest.fixture(scope="session")
def theirs() -> Iterator[Any]:
    from swarm.engines.llama.bindings import Model, start_backend

    start_backend()
    model = Model(bundled_model().path, gpu_layers=0, header_only=True)
    yield model.vocabulary
    model.close()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from scripts.mlx_folder import convert
    from swarm.engines.mlx.folder import read_folder
    from swarm.engines.mlx.vocabulary import Vocabulary

    folder = tmp_path_factory.mktemp("mlx")
    convert(bundled_model().path, folder)
    return Vocabulary(read_folder(folder), 1024)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=12).map("".join))
def test_any_text_has_llama_cpps_ids(ours, theirs, text):
    assert ours.tokenize(text) == theirs.tokenize(text)


def test_every_token_shows_and_writes_what_it_does_in_llama_cpp(ours, theirs):
    for token in range(1024):
        assert ours.piece(token) == theirs.piece(token)
        assert ours.written(token) == theirs.written(token)
    assert ours.piece(5_000) == b""
    assert ours.end_tokens == set(theirs.end_tokens)


def test_half_a_character_is_no_text(ours):
    assert ours.tokenize("a\ud800b") == ours.tokenize("a?b")


@pytest.mark.parametrize("says", [True, None])
def test_a_beginning_token_is_added_unless_the_text_has_it(tmp_path, says):
    vocabulary = with_beginning(tmp_path, add_bos_token=says)
    assert vocabulary.tokenize("ab") == vocabulary.tokenize("<s>ab") == [0, 1, 2]


def test_a_beginning_token_that_is_not_wanted_is_not_added(tmp_path):
    assert with_beginning(tmp_path, add_bos_token=False).tokenize("ab") == [1, 2]


def test_bytes_that_are_written_as_numbers_become_bytes(tmp_path):
    vocabulary = byte_fallback(tmp_path)
    assert [vocabulary.piece(token) for token in range(3)] == [b"\n", b" a", "é".encode()]


def test_a_text_is_neither_cut_nor_filled_up_to_the_length_of_a_training(tmp_path):
    vocabulary = with_lengths(tmp_path)
    assert vocabulary.tokenize("ab") == vocabulary.plain_tokens(b"ab") == [1, 2]
    assert vocabulary.tokenize("ab" * 4) == vocabulary.plain_tokens(b"ab" * 4) == [1, 2] * 4


def test_a_grammar_needs_a_token_that_ends_the_answer(tmp_path):
    vocabulary = byte_fallback(tmp_path)
    assert not vocabulary.end_tokens
    with pytest.raises(InvalidRequest, match="names no end token"):
        _ = vocabulary.grammars
