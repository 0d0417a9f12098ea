"""The choice of a model, the first screen, and mistakes at start."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import main
from hardware.snapshot import Snapshot
from settings import read_settings
from swarm.models.choose import Choice
from swarm.models.ids import Machine
from swarm.models.local import BUNDLED_PATH, LocalModel

GIB = 1 << 30
SNAPSHOT = Snapshot("linux", "A Processor", 4, 4, frozenset(), 16 * GIB, 10 * GIB)
MACHINE = Machine(SNAPSHOT, "cpu")
NANO = LocalModel("swarm-nano", BUNDLED_PATH, 5 << 20)
SMALL = LocalModel("small", Path("small.gguf"), 2 * GIB)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "bundled_model", lambda: NANO)


def gguf(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + bytes(100))
    return path


def test_named_models_are_served_in_their_order(tmp_path: Path) -> None:
    one, two = gguf(tmp_path / "one.gguf"), gguf(tmp_path / "two.gguf")
    settings = read_settings(["--auto", "--model", str(two), "--model", str(one)])
    assert [model.id for model in main.choose(settings, MACHINE).models] == ["two", "one"]


def test_the_models_folder_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(BUNDLED_PATH, tmp_path / "models" / "found.gguf")
    plan = main.choose(read_settings(["--auto"]), MACHINE)
    assert [model.id for model in plan.models] == ["found"]
    assert plan.models[0].path == tmp_path / "models" / "found.gguf"


@pytest.mark.parametrize(
    ("answers", "chosen"), [([""], "small"), (["2"], "swarm-nano"), (["x", "9", "1"], "small")]
)
def test_a_person_is_asked_and_enter_takes_the_recommended(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[str],
    chosen: str,
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: answers.pop(0))
    plan = main.ask_person(Choice((SMALL,), "it fits"), [SMALL], SNAPSHOT)
    assert plan.models[0].id == chosen
    assert "A Processor" in capsys.readouterr().out
    assert answers == []


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", pytest.fail)
    assert main.choose(read_settings([]), MACHINE).models[0].id == "swarm-nano"


def test_the_first_screen_names_hardware_model_and_endpoint() -> None:
    screen = main.first_screen(SNAPSHOT, Choice((NANO,), "bundled"), [], "http://127.0.0.1:1/v1")
    for part in ("A Processor", "swarm-nano: bundled", "http://127.0.0.1:1/v1", "--model FILE"):
        assert part in screen


def test_the_small_model_note_is_for_the_small_model_only() -> None:
    screen = main.first_screen(SNAPSHOT, Choice((SMALL,), "named"), [], "http://127.0.0.1:1/v1")
    assert "--model FILE" not in screen


@pytest.mark.parametrize(
    ("host", "name"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.9", "127.0.0.9"), ("::1", "[::1]")]
)
def test_the_address_that_is_listened_on_is_a_name_of_the_door(host: str, name: str) -> None:
    assert name in main.door_names(host)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "only this machine itself"),
        (["--host", "lan"], "only this machine itself"),
        (["--threads", "9999"], "cores"),
        (["--model", "nowhere.gguf"], "no such file"),
    ],
)
def test_a_mistake_ends_with_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main.main(["--auto", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use_names_its_holder_and_the_flag(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main.main(["--auto", "--port", port]) == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is in use by" in said
    assert "--port" in said


def test_a_plan_is_explained_and_nothing_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--auto", "--explain", "--ctx", "2048"]) == 0
    said = capsys.readouterr().out
    for part in ("chosen: the small bundled model", "context 2048 tokens", "tokens/s"):
        assert part in said


def test_main_can_be_imported_without_engines_and_doors() -> None:
    code = (
        "import sys; sys.modules.update(llama_cpp=None, mlx=None); import main;"
        "assert not {'aiohttp', 'rich', 'zeroconf', 'psutil'} & set(sys.modules)"
    )
    root = Path(main.__file__).parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
