"""What Prometheus is told."""

from collections.abc import AsyncGenerator, Iterator

from api.metrics import Metrics
from federation.metrics import PeerMetrics
from swarm.engines.base import Delta, Event, Recounted, Started


def test_what_a_peer_did_since_the_start_is_a_counter_and_what_it_is_like_a_gauge() -> None:
    peer = PeerMetrics()
    peer.won()
    peer.moved(bytes_in=7)
    metrics = Metrics()
    metrics.peers({"kitchen": peer.summary()})
    text = metrics.exposition().decode()
    assert "# TYPE swarm_peer_wins_total counter" in text
    assert 'swarm_peer_wins_total{peer="kitchen"} 1.0' in text
    assert 'swarm_peer_bytes_in_total{peer="kitchen"} 7.0' in text
    assert "# TYPE swarm_peer_tokens_per_s gauge" in text
    assert 'swarm_peer_tokens_per_s{peer="kitchen"} NaN' in text
    metrics.peers({})
    assert "kitchen" not in metrics.exposition().decode()


async def test_an_answer_may_take_an_hour_and_its_first_token_half_of_it() -> None:
    times: Iterator[float] = iter((0.0, 1700.0))
    metrics = Metrics(clock=lambda: next(times))

    async def events() -> AsyncGenerator[list[Event]]:
        yield [Started(1, 0)]
        yield [Delta(0, "a", 1)]

    async for _ in metrics.watch(events(), label="one"):
        pass
    metrics.answered("chat", 200, 3500.0)
    text = metrics.exposition().decode()
    assert 'swarm_time_to_first_token_seconds_bucket{le="600.0"} 0.0' in text
    assert 'swarm_time_to_first_token_seconds_bucket{le="1800.0"} 1.0' in text
    assert 'swarm_request_duration_seconds_bucket{le="1800.0",route="chat"} 0.0' in text
    assert 'swarm_request_duration_seconds_bucket{le="3600.0",route="chat"} 1.0' in text


async def test_a_prompt_that_was_estimated_too_long_counts_as_it_was() -> None:
    metrics = Metrics()

    async def events() -> AsyncGenerator[list[Event]]:
        yield [Started(9, 0)]
        yield [Started(5, 1)]  # another prompt of the same request
        yield [Recounted(Started(9, 0), Started(6, 2))]

    async for _ in metrics.watch(events(), label="two"):
        pass
    text = metrics.exposition().decode()
    assert "swarm_prompt_tokens_total 11.0" in text
    assert "swarm_cached_prompt_tokens_total 3.0" in text
