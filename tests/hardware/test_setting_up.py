import pytest

from hardware.setting_up import python_command, setup_command


@pytest.mark.parametrize("system", ["Linux x86_64", "Darwin arm64", "Android aarch64"])
def test_where_there_is_make_it_is_typed(system: str) -> None:
    assert setup_command(system) == "make setup"
    assert setup_command(system, engine="cuda") == "make setup ENGINE=cuda"
    assert setup_command(system, mlx="yes") == "make setup MLX=yes"
    assert python_command(system) == ".venv/bin/python"


@pytest.mark.parametrize("system", ["Windows", "Windows AMD64"])
def test_windows_has_words_of_its_own(system: str) -> None:
    assert setup_command(system) == r"py scripts\setup.py"
    assert setup_command(system, engine="cuda") == r"py scripts\setup.py --engine cuda"
    assert setup_command(system, mlx="yes") == r"py scripts\setup.py --mlx yes"
    assert python_command(system) == r".venv\Scripts\python"
