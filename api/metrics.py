"""What a node counts and times, for Prometheus and for the debug log."""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.generated import Generated
from federation.metrics import MetricsSummary
from swarm.engines.base import Delta, EngineLoad, Event, Finished, Recounted, Started

logger = logging.getLogger(__name__)

_FIRST_TOKEN_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
_DURATION_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


_ENGINE_GAUGES = {
    "running": "Requests that hold a place in the engine",
    "waiting": "Requests that wait for one",
    "sequences": "Sequences that are computed together",
    "cells_used": "Tokens in the key-value cache, at most",
    "cells_total": "Tokens that it has room for",
}


_PEER_COUNTERS = {
    "requests": "Requests that this peer was asked to answer",
    "successes": "Those that it answered",
    "failures": "Those that it failed",
    "busy": "Those that it declined",
    "wins": "Votes that one of its answers won",
    "bytes_in": "Bytes of answers that came from it",
    "bytes_out": "Bytes of questions that went to it",
}


_PEER_GAUGES = {
    "mean_latency_s": "Mean time of its latest answers",
    "p95_latency_s": "The time that 95 of 100 of them do not exceed",
    "tokens_per_s": "Tokens a second of its latest answers, transfer included",
}


class _Peers(Collector):
    """What each peer did, as it was told last; its totals are counted elsewhere."""

    def __init__(self) -> None:
        self.figures: Mapping[str, MetricsSummary] = {}

    def collect(self) -> Iterator[Metric]:
        kinds = ((CounterMetricFamily, _PEER_COUNTERS), (GaugeMetricFamily, _PEER_GAUGES))
        for kind, names in kinds:
            for name, told in names.items():
                family = kind(f"swarm_peer_{name}", told, labels=["peer"])
                for peer, summary in self.figures.items():
                    value = getattr(summary, name)
                    family.add_metric([peer], float("nan") if value is None else value)
                yield family


class Metrics:
    """The counters of one app, in a registry of its own."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "swarm_requests", "Answers", ["route", "status"], registry=registry
        )
        self._running = Gauge("swarm_requests_running", "Requests that generate", registry=registry)
        self._waiting = Gauge(
            "swarm_requests_waiting", "Requests whose prompt is queued or read", registry=registry
        )
        self._prompt = Counter("swarm_prompt_tokens", "Tokens of prompts", registry=registry)
        self._cached = Counter(
            "swarm_cached_prompt_tokens", "Tokens of prompts not computed again", registry=registry
        )
        self._generated = Counter(
            "swarm_generated_tokens", "Tokens of completions", registry=registry
        )
        self._engine = {
            name: Gauge(f"swarm_engine_{name}", told, ["model"], registry=registry)
            for name, told in _ENGINE_GAUGES.items()
        }
        self._peers = _Peers()
        registry.register(self._peers)
        self._first_token = Histogram(
            "swarm_time_to_first_token_seconds",
            "From a prompt's arrival to its first token",
            buckets=_FIRST_TOKEN_S,
            registry=registry,
        )
        self._duration = Histogram(
            "swarm_request_duration_seconds",
            "From a request's arrival to its end",
            ["route"],
            buckets=_DURATION_S,
            registry=registry,
        )

    def exposition(self) -> bytes:
        """The text that a Prometheus server scrapes."""
        return generate_latest(self.registry)

    def answered(self, route: str, status: int, duration_s: float) -> None:
        """Count an answer."""
        self._requests.labels(route, str(status)).inc()
        self._duration.labels(route).observe(duration_s)

    def engine_loads(self, loads: Mapping[str, EngineLoad | None]) -> None:
        """What the engines say of themselves, by model; NaN for one that does not answer now."""
        for name, gauge in self._engine.items():
            gauge.clear()
            for model, load in loads.items():
                gauge.labels(model).set(getattr(load, name) if load else float("nan"))

    def peers(self, figures: Mapping[str, MetricsSummary]) -> None:
        """What the peers that are known now did, by name; the others are no longer told."""
        self._peers.figures = figures

    def has_read(self, tokens: int) -> None:
        """Count a text of which only a vector is made."""
        self._prompt.inc(tokens)

    def watch_peers(self, events: AsyncGenerator[list[Event]]) -> AsyncGenerator[list[Event]]:
        """The same as `watch`, for a question of a peer."""
        return self.watch(events, label="a peer's question")

    async def watch(
        self, events: AsyncGenerator[list[Event]], *, label: str
    ) -> AsyncGenerator[list[Event]]:
        """The same events, counted and timed; at the debug level a log line for each choice."""
        arrived = self.clock()
        started: Started | None = None
        prompt, cached, generated, spoken = 0, 0, Generated(), False
        self._waiting.inc()
        try:
            async with aclosing(events):
                async for step in events:
                    for event in step:
                        generated.hear(event)
                        if isinstance(event, Started):
                            if started is None:
                                self._waiting.dec()
                                self._running.inc()
                            started = event
                            prompt += event.prompt_tokens
                            cached += event.cached_tokens
                        elif isinstance(event, Recounted):
                            started = event.now
                            prompt += event.more_prompt
                            cached += event.more_cached
                        elif isinstance(event, Delta) and not spoken:
                            spoken = True
                            self._first_token.observe(self.clock() - arrived)
                        elif isinstance(event, Finished):
                            _log_speeds(label, started, event)
                    yield step
        finally:
            (self._running if started else self._waiting).dec()
            self._prompt.inc(prompt)  # at the end: a counter cannot take an estimate back
            self._cached.inc(cached)
            self._generated.inc(generated.total)


def _log_speeds(label: str, started: Started | None, finished: Finished) -> None:
    if started is None or not logger.isEnabledFor(logging.DEBUG):
        return
    read = started.prompt_tokens - started.cached_tokens
    logger.debug(
        "%s choice %d: prompt %d tokens, %d cached, %.1f tokens/s; "
        "generated %d tokens, %.1f tokens/s",
        label,
        finished.index,
        started.prompt_tokens,
        started.cached_tokens,
        _speed(read, finished.prefill_s),
        finished.completion_tokens,
        _speed(finished.completion_tokens, finished.decode_s),
    )


def _speed(tokens: int, seconds: float) -> float:
    return tokens / seconds if seconds > 0 else 0.0
