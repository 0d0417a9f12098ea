"""The choice of a model, the first screen, and mistakes at start."""

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import main
from api.entrance import Entrance
from hardware.snapshot import Snapshot
from settings import Settings, read_settings
from swarm.errors import ConfigurationError
from swarm.models.fit import Room
from swarm.models.local import LocalModel

GIB = 1 << 30
SNAPSHOT = Snapshot("linux", "A Processor", 4, 4, frozenset(), 16 * GIB, 10 * GIB)
ROOM = Room(10 * GIB)
NANO = LocalModel("swarm-nano", Path("nano.gguf"), 5 << 20)
SMALL = LocalModel("small", Path("small.gguf"), 2 * GIB)
ENTRANCE = Entrance.of(Settings.model_validate({"port": 1}))
LARGE = LocalModel("large", Path("large.gguf"), 40 * GIB)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "bundled_model", lambda: NANO)


def gguf(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + bytes(100))
    return path


def test_the_largest_model_that_fits_is_recommended() -> None:
    plan = main.recommended([LARGE, SMALL], 7 * GIB, folder="models")
    assert plan.models == (SMALL,)
    assert "fits" in plan.reason


def test_without_a_fitting_model_the_bundled_one_is_served_and_says_why() -> None:
    assert main.recommended([], GIB, folder="models").models == (NANO,)
    assert "no model in models fits" in main.recommended([LARGE], GIB, folder="models").reason


def test_named_models_are_served_in_their_order(tmp_path: Path) -> None:
    one, two = gguf(tmp_path / "one.gguf"), gguf(tmp_path / "two.gguf")
    settings = read_settings(["--auto", "--model", str(two), "--model", str(one)])
    assert [model.id for model in main.choose(settings, SNAPSHOT, ROOM).models] == ["two", "one"]


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    files = gguf(tmp_path / "a" / "x.gguf"), gguf(tmp_path / "b" / "x.gguf")
    settings = read_settings(["--auto", "--model", str(files[0]), "--model", str(files[1])])
    with pytest.raises(ConfigurationError, match="same name"):
        main.choose(settings, SNAPSHOT, ROOM)


def test_the_models_folder_is_looked_through(tmp_path: Path) -> None:
    gguf(tmp_path / "models" / "found.gguf")
    plan = main.choose(read_settings(["--auto"]), SNAPSHOT, ROOM)
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
    plan = main.ask_person(main.Plan((SMALL,), "it fits"), [SMALL], SNAPSHOT)
    assert plan.models[0].id == chosen
    assert "A Processor" in capsys.readouterr().out
    assert answers == []


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", pytest.fail)
    assert main.choose(read_settings([]), SNAPSHOT, ROOM).models == (NANO,)


def test_the_first_screen_names_hardware_model_and_endpoint() -> None:
    screen = main.first_screen(SNAPSHOT, main.Plan((NANO,), "bundled"), ENTRANCE)
    for part in ("A Processor", "swarm-nano: bundled", "http://127.0.0.1:1/v1", "--model FILE"):
        assert part in screen


def test_the_first_screen_has_a_line_for_each_note() -> None:
    plan = main.Plan((SMALL,), "named")
    screen = main.first_screen(SNAPSHOT, plan, ENTRANCE, ["RTX is not used: ..."])
    assert "  note       RTX is not used: ..." in screen


def test_detect_prints_the_hardware_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--detect"]) == 0
    assert "processor" in capsys.readouterr().out
    assert main.main(["--detect", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["physical_cores"] >= 1


def test_hardware_is_told_before_there_is_an_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    assert main.main(["--detect"]) == 0
    assert "note         the engine is not installed; `make setup`" in capsys.readouterr().out


def test_threads_are_for_fast_cores_only() -> None:
    mixed = replace(SNAPSHOT, physical_cores=16, usable_cores=16, performance_cores=8)
    assert main._threads(mixed, SMALL) == 8
    assert main._threads(replace(mixed, usable_cores=4), SMALL) == 4


def test_the_small_model_note_is_for_the_small_model_only() -> None:
    screen = main.first_screen(SNAPSHOT, main.Plan((SMALL,), "named"), ENTRANCE)
    assert "--model FILE" not in screen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--threads", "9999"], "cores"),
        (["--model", "nowhere.gguf"], "no such file"),
        (["--json"], "goes with --detect"),
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
    model = gguf(tmp_path / "any.gguf")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main.main(["--auto", "--port", port, "--model", str(model)]) == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is in use by" in said
    assert "--port" in said


def test_main_can_be_imported_without_engines_and_doors() -> None:
    code = (
        "import sys; sys.modules.update(llama_cpp=None, mlx=None); import main;"
        "assert not {'aiohttp', 'rich', 'zeroconf', 'psutil'} & set(sys.modules)"
    )
    root = Path(main.__file__).parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
