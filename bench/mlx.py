"""N candidates of one prompt by the MLX engine against as many generations of mlx_lm in a row.

Both in this process, on the same weights and the same processor: the bundled model as an MLX
folder. 1,000 tokens of prompt, 64 for each candidate; every prompt is new to both. mlx_lm reads the
prompt for each of its generations. Needs `make setup MLX=yes`.
"""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import alternate, median_ratio, parser, spread, verdict
from bench.models import FOLDER
from swarm.models.local import bundled_model
from swarm.types import Prompt, SamplingParams

PROMPT_TOKENS = 1000
NEW_TOKENS = 64
BAR = 2.0


def main() -> int:
    options = parser(__doc__, rounds=5)
    options.add_argument("--candidates", type=int, nargs="+", default=[4])
    options.add_argument("--prompt-tokens", type=int, default=PROMPT_TOKENS)
    chosen = options.parse_args()
    folder = chosen.model or bundled_folder()
    engine = loaded(folder)
    network = engine._model.network  # noqa: SLF001 - the very same weights for both
    # MLX compiles what it meets for the first time.
    at_once(engine, tokens(16, -1), 2), in_a_row(network, tokens(16, -1), 1)
    met = True
    for n in chosen.candidates:
        pairs = alternate(
            chosen.rounds,
            lambda i, n=n: in_a_row(network, tokens(chosen.prompt_tokens, i), n),
            lambda i, n=n: at_once(engine, tokens(chosen.prompt_tokens, i), n),
        )
        print(f"N={n}: mlx_lm in a row {spread([a for a, _ in pairs])} s, ", end="")
        print(f"engine {spread([b for _, b in pairs])} s")
        what = f"N={n}, {chosen.prompt_tokens} tokens, time of mlx_lm / engine"
        met &= verdict(what, median_ratio(pairs), BAR, at_least=True)
    return not met


def bundled_folder() -> Path:
    from scripts.mlx_folder import convert  # noqa: PLC0415 - needs the extra

    folder = FOLDER / "swarm-nano-mlx"
    convert(bundled_model().path, folder)
    return folder


def loaded(folder: Path) -> Any:
    from swarm.engines.mlx.engine import load  # noqa: PLC0415
    from swarm.engines.mlx.options import MlxOptions  # noqa: PLC0415

    return load(MlxOptions(folder))


def tokens(count: int, seed: int) -> list[int]:
    """Byte tokens that begin differently for each seed."""
    return random.Random(seed).choices(range(20, 270), k=count)


def in_a_row(network: Any, prompt: Sequence[int], n: int) -> float:
    """Seconds of n generations of mlx_lm, sampling as the engine does."""
    import mlx.core as mx  # noqa: PLC0415
    from mlx_lm.generate import generate_step  # noqa: PLC0415
    from mlx_lm.sample_utils import make_sampler  # noqa: PLC0415

    sampler = make_sampler(temp=1.0, top_p=0.95, min_p=0.05, top_k=40)
    began = time.perf_counter()
    for _ in range(n):
        drawn = generate_step(mx.array(prompt), network, max_tokens=NEW_TOKENS, sampler=sampler)
        if sum(1 for _ in drawn) != NEW_TOKENS:
            raise RuntimeError("mlx_lm generated something else")
    return time.perf_counter() - began


def at_once(engine: Any, prompt: Sequence[int], n: int) -> float:
    """Seconds of one request for n candidates."""
    sampling = SamplingParams(
        temperature=1.0, top_p=0.95, min_p=0.05, top_k=40, max_tokens=NEW_TOKENS, ignore_eos=True
    )
    began = time.perf_counter()
    engine.submit(1, Prompt(tuple(prompt), sampling, n))
    while engine.busy:
        engine.step()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
