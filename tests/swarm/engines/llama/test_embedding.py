"""Texts as vectors: what they depend on, which models make them, and who does not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from swarm.engines.llama.embedding import EMBEDDED_TOKENS
from swarm.engines.llama.engine import LlamaEngine, load
from swarm.errors import ContextOverflow, InvalidRequest
from swarm.types import Prompt, SamplingParams
from tests.swarm.engines.llama.memories import FIRST_WORD, KINDS, WIDTH, encoder, reader_of_last
from tests.swarm.engines.llama.options import options_for
from tests.swarm.engines.llama.test_engine import run

MODELS: dict[str, Callable[[Path], None]] = {**KINDS, "encoder": encoder}
TEXT = tuple(range(FIRST_WORD, FIRST_WORD + 40))


@pytest.fixture(scope="module", params=MODELS)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LlamaEngine]:
    path = tmp_path_factory.mktemp("embedding") / "model.gguf"
    MODELS[request.param](path)
    engine = load(options_for(path, sequences=4))
    yield engine
    engine.close()


def vector(engine: LlamaEngine, text: str | tuple[int, ...]) -> "np.ndarray":
    return np.array(engine.embed(text).vector)


def test_a_text_is_a_vector_of_length_1_whatever_came_before(engine: LlamaEngine) -> None:
    first = vector(engine, TEXT)
    assert first.shape == (engine.info.embedding_width,) == (WIDTH,)
    assert np.linalg.norm(first) == pytest.approx(1)
    other = vector(engine, TEXT[::-1])
    assert first @ other < 0.999
    assert np.allclose(vector(engine, TEXT), first, atol=1e-6)


def test_texts_are_tokenised_as_prompts_are(engine: LlamaEngine) -> None:
    made = engine.embed("bado dobi")
    assert made.tokens == len(engine.tokenize("bado dobi"))
    assert np.allclose(made.vector, vector(engine, tuple(engine.tokenize("bado dobi"))))


def test_a_model_that_reads_the_last_token_gets_the_one_that_it_wants(tmp_path: Path) -> None:
    reader_of_last(tmp_path / "model.gguf")
    engine = load(options_for(tmp_path / "model.gguf", sequences=1))
    try:
        words = engine.tokenize("bado dobi")
        made = engine.embed("bado dobi")
        assert made.tokens == len(words) + 1
        end = engine._model.vocabulary.eos
        assert np.allclose(made.vector, vector(engine, (*words, end)))
        assert end not in words  # a prompt has no end
    finally:
        engine.close()


@pytest.mark.parametrize(("text", "said"), [((), "empty"), ((1, 512), "0 to 511")])
def test_what_has_no_vector_is_refused(
    engine: LlamaEngine, text: tuple[int, ...], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        engine.embed(text)


def test_a_text_beyond_the_bound_is_refused_with_the_figures(engine: LlamaEngine) -> None:
    bound = min(EMBEDDED_TOKENS, engine.info.trained_context_tokens)
    assert len(vector(engine, (FIRST_WORD,) * bound)) == WIDTH
    with pytest.raises(ContextOverflow, match=f"{bound} tokens"):
        engine.embed((FIRST_WORD,) * (bound + 1))


def test_generations_beside_are_not_disturbed(engine: LlamaEngine) -> None:
    greedy = SamplingParams(temperature=0, max_tokens=8)
    if not engine.info.generates:
        with pytest.raises(InvalidRequest, match="embeddings only"):
            engine.submit(1, Prompt(TEXT, greedy))
        return
    [alone] = run(engine, Prompt(TEXT, greedy))
    engine.submit(1, Prompt(TEXT, greedy))
    said = ""
    while engine.busy:
        engine.embed(TEXT[:9])
        said += "".join(getattr(e, "text", "") for _, events in engine.step() for e in events)
    assert said == alone.texts[0]
