"""What diagnostics say, as plain data."""

from federation.diagnostics import discovery_object
from federation.discovery_state import DiscoveryState


def test_what_discovery_heard_is_told_in_seconds_ago() -> None:
    state = DiscoveryState((), is_open=True, heard_self_s=812.4)
    told = discovery_object(state, (), 850.0)
    assert told["heard_self_seconds_ago"] == 37.6
    assert told["heard_others_seconds_ago"] is None
    assert "heard_self_s" not in told
