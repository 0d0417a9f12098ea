import pytest

from swarm.engines.pace import Pace


@pytest.mark.parametrize(
    ("tokens", "seconds", "chunk"),
    [(512, 0.1, 512), (512, 2.0, 256), (512, 60.0, 64), (8, 9.0, 128)],
)
def test_a_chunk_takes_no_longer_than_the_pause(tokens, seconds, chunk):
    pace = Pace(most_tokens=512, pause_s=1.0)
    assert pace.chunk_tokens() == 128
    pace.note(tokens, seconds)
    assert pace.chunk_tokens() == chunk
