"""What Prometheus is told."""

from api.metrics import Metrics
from federation.metrics import PeerMetrics


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
