"""Two members of one federation."""

from pathlib import Path

import pytest

from tests.federation.sides import Side, side


@pytest.fixture
def here(tmp_path: Path) -> Side:
    return side(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Side:
    return side(tmp_path / "there")
