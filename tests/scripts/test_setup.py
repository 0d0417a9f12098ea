import pytest

from scripts.setup import missing, sees_system, wants_mlx


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


@pytest.mark.parametrize(
    ("platform", "again"),
    [
        ("darwin", "make PYTHON=python3.12"),
        ("linux", "make PYTHON=python3.12"),
        ("win32", r"py -3.12 scripts\setup.py"),
    ],
)
def test_an_old_python_is_told_how_to_go_on(platform, again):
    told = f"Python 3.11 or newer is needed, this is 3.9.6: install one and run {again}"
    assert missing((3, 9, 6), platform) == told


def test_a_python_that_is_new_enough_lacks_nothing():
    assert missing((3, 11, 0), "linux") is None


def test_only_termux_lends_its_packages_to_the_environment():
    assert [sees_system(each) for each in ("android", "linux", "darwin", "win32")] == [
        True,
        False,
        False,
        False,
    ]
