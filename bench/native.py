"""llama-cpp-python without our node, in a process of its own that answers lines of JSON.

    python -m bench.native objects MODEL THREADS CONTEXT COUNT ONE_AFTER_THE_OTHER|PARALLEL
    python -m bench.native bare MODEL THREADS CONTEXT

`objects` are so many `llama_cpp.Llama`; `bare` is a loop around `llama_decode`, with the same
sampling as everybody here.
"""

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import psutil

from bench.client import SAMPLING
from bench.models import ROOT

Answer: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


class Worker:
    """The process as its starter sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, **message: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process with llama-cpp-python died")
        return json.loads(line)

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self._process.pid)]


@contextlib.contextmanager
def worker(*arguments: object, environment: Mapping[str, str] | None = None) -> Iterator[Worker]:
    """A running worker; it ends with its stdin."""
    command = [sys.executable, "-m", "bench.native", *map(str, arguments)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def objects(arguments: Sequence[str]) -> Answer:
    """{"prompt", "max_tokens"} to {"seconds"}: one candidate of each object."""
    import llama_cpp  # noqa: PLC0415 - the starter of this process does not need it

    model, threads, context, count, mode = arguments
    made = [
        llama_cpp.Llama(
            model,
            n_ctx=int(context),
            n_threads=int(threads),
            n_threads_batch=int(threads),
            flash_attn=True,
            seed=seed,
            verbose=False,
        )
        for seed in range(int(count))
    ]
    executor = ThreadPoolExecutor(len(made) if mode == "parallel" else 1)

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        def one(model: Any) -> int:
            reply = model(message["prompt"], max_tokens=message["max_tokens"], **SAMPLING)
            return reply["usage"]["completion_tokens"]

        began = time.perf_counter()
        tokens = list(executor.map(one, made))
        return {"seconds": time.perf_counter() - began, "tokens": tokens}

    return answer


def bare(arguments: Sequence[str]) -> Answer:
    """{"prompt", "max_tokens"} to {"first_s", "total_s"}: one token after the other."""
    import llama_cpp  # noqa: PLC0415

    path, threads, context = arguments
    llama_cpp.llama_log_set(_silence(llama_cpp), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        path.encode(), llama_cpp.llama_model_default_params()
    )
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = int(context)
    parameters.n_threads = parameters.n_threads_batch = int(threads)
    parameters.flash_attn_type = 1
    parameters.no_perf = True
    handle = llama_cpp.llama_init_from_model(model, parameters)
    vocabulary = llama_cpp.llama_model_get_vocab(model)

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(handle), False)
        sampler = _chain(llama_cpp)
        began = time.perf_counter()
        raw = message["prompt"].encode()
        ids = (llama_cpp.llama_token * (len(raw) + 8))()
        count = llama_cpp.llama_tokenize(vocabulary, raw, len(raw), ids, len(ids), True, True)
        llama_cpp.llama_decode(handle, llama_cpp.llama_batch_get_one(ids, count))
        token = llama_cpp.llama_sampler_sample(sampler, handle, -1)
        first = time.perf_counter() - began
        one = (llama_cpp.llama_token * 1)()
        for _ in range(message["max_tokens"] - 1):
            one[0] = token
            llama_cpp.llama_decode(handle, llama_cpp.llama_batch_get_one(one, 1))
            token = llama_cpp.llama_sampler_sample(sampler, handle, -1)
        total = time.perf_counter() - began
        llama_cpp.llama_sampler_free(sampler)
        return {"first_s": first, "total_s": total, "prompt_tokens": count}

    return answer


def _chain(llama_cpp: Any) -> Any:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    for sampler in (
        llama_cpp.llama_sampler_init_top_k(SAMPLING["top_k"]),
        llama_cpp.llama_sampler_init_top_p(SAMPLING["top_p"], 1),
        llama_cpp.llama_sampler_init_min_p(SAMPLING["min_p"], 1),
        llama_cpp.llama_sampler_init_temp(SAMPLING["temperature"]),
        llama_cpp.llama_sampler_init_dist(0),
    ):
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    return chain


def _silence(llama_cpp: Any) -> Any:
    _silence.callback = llama_cpp.llama_log_callback(lambda *_: None)  # kept: C calls it later
    return _silence.callback


def main() -> None:
    kind, *arguments = sys.argv[1:]
    answer = {"objects": objects, "bare": bare}[kind](arguments)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
