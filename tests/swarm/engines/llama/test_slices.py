"""Long texts become the tokens of today in slices, and no text ends the process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import pytest

from swarm.engines.llama.bindings import Model, Vocabulary, start_backend
from swarm.engines.llama.slices import SLICE_CHARACTERS, Slicer
from swarm.models.local import bundled_model

PROSE = (
    "The machine reads 1,024 words; then, on a new line:\n\tit's told (again) what they were.\n\n"
)
CHAT = "<|im_start|>user\n\u5de5\u4eba\u4eec\uff0c\u7136\u540e\u56de\u7b54\u3002 ok<|im_end|>\n"


def sentencepiece(path: Path) -> None:
    """A vocabulary that puts a space before every text, as Llama 2's and Mistral's do."""
    letters = [chr(code) for code in range(33, 127)]
    words = [
        "\u2581",
        *letters,
        "th",
        "he",
        "the",
        "\u2581t",
        "\u2581the",
        "or",
        "ord",
        "aa",
        "aaaa",
    ]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(words)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(at) for at in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


@pytest.fixture(scope="module", params=["words", "sentencepiece"])
def vocabulary(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vocabulary]:
    path = bundled_model().path
    if request.param == "sentencepiece":
        path = tmp_path_factory.mktemp("vocabulary") / "model.gguf"
        sentencepiece(path)
    start_backend()
    model = Model(path, gpu_layers=0, header_only=True)
    yield model.vocabulary
    model.close()


@pytest.mark.parametrize("text", [PROSE, CHAT, "0.125,17.5\n", "a  b\n \n", "x=[1,2];y={3:4};"])
def test_a_long_text_has_the_tokens_that_it_has_in_one_piece(
    vocabulary: Vocabulary, text: str
) -> None:
    long = text * (5 * SLICE_CHARACTERS // len(text))
    raw = long.encode()
    assert vocabulary.tokenize(long) == vocabulary._native(raw, framed=vocabulary.adds_bos)
    assert vocabulary.tokenize_whole(long) == vocabulary._native(raw, framed=True)
    assert vocabulary.plain_tokens(raw) == vocabulary._native(raw, marks=False)


@pytest.mark.parametrize("run", ["7", "a", "=", " ", "\n", "\u4e2d", "ab7Z+/"])
def test_a_run_of_one_kind_is_read_whole(vocabulary: Vocabulary, run: str) -> None:
    text = "So:" + run * (20_000 // len(run))
    tokens = vocabulary.tokenize(text)
    assert b"".join(map(vocabulary.piece, tokens)).decode().removeprefix(" ") == text


def test_a_text_beyond_what_counts_is_left_unread(vocabulary: Vocabulary) -> None:
    text = PROSE * 2000
    found = vocabulary.tokenize(text, most=100)
    assert 100 < len(found) <= 100 + SLICE_CHARACTERS
    assert found == vocabulary.tokenize(text)[: len(found)]
    assert vocabulary.tokenize(PROSE, most=100_000) == vocabulary.tokenize(PROSE)


def test_bytes_that_are_no_text_are_read_too(vocabulary: Vocabulary) -> None:
    assert len(vocabulary.plain_tokens(b"\xff" * 5000)) >= 5000


def test_no_cut_is_where_a_token_may_lie_across() -> None:
    slicer = Slicer([b"ab", b", ", b"a,b", b"\x8d\xef\xbc"], [])
    text = "a,b\uff0c, c " * SLICE_CHARACTERS  # of a sign's bytes `\x8d\xef\xbc` has the first two
    first, *others = slicer.slices(text)
    assert first + "".join(others) == text
    assert {part[0] for part in others} == {" "}


def test_no_cut_is_amid_a_mark() -> None:
    mark = "<|im_end|>"
    slicer = Slicer([mark.encode()], [mark])
    for before in range(1000, 1030):
        parts = list(slicer.slices("=" * before + mark + "=" * 5000))
        assert sum(part.count(mark) for part in parts) == 1
        assert max(map(len, parts)) <= SLICE_CHARACTERS


@pytest.mark.parametrize("letter", ["7", "=", "a", " "])
def test_a_run_ends_no_process(letter: str) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from swarm.engines.llama.bindings import Model, start_backend\n"
        "start_backend()\n"
        "model = Model(Path(sys.argv[1]), gpu_layers=0, header_only=True)\n"
        "text = sys.argv[2] * 200_000\n"
        "assert len(model.vocabulary.tokenize(text)) > 10_000\n"
        "assert len(model.vocabulary.plain_tokens(text.encode())) > 10_000\n"
    )
    path = str(bundled_model().path)
    ended = subprocess.run(
        [sys.executable, "-c", program, path, letter], capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
