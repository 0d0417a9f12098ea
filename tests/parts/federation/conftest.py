"""Two members of one federation, as in tests/federation."""

from tests.federation.conftest import here, there

__all__ = ["here", "there"]
