import pytest

from scripts.setup import wants_mlx


@pytest.mark.parametrize(
    ("choice", "system", "machine", "wanted"),
    [
        ("auto", "Darwin", "arm64", True),
        ("auto", "Darwin", "x86_64", False),
        ("auto", "Linux", "aarch64", False),
        ("yes", "Linux", "x86_64", True),
        ("no", "Darwin", "arm64", False),
    ],
)
def test_mlx_comes_by_itself_on_apple_silicon_only(choice, system, machine, wanted):
    assert wants_mlx(choice, system, machine) is wanted
