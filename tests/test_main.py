"""The choice of a model, the first screen, and mistakes at start."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import main
from api import welcome
from api.entrance import Entrance
from api.serving import fast_cores
from federation import home
from federation.federation import Federation
from hardware.setting_up import python_command, setup_command
from hardware.snapshot import Snapshot
from settings import Settings, read_settings
from swarm.engines.starting import (
    AnyEngine,
    make_engine,
    threads_of,
    usual_engine,
    without_engine,
)
from swarm.errors import ConfigurationError
from swarm.models.choose import Better, Choice, plan_of
from swarm.models.local import BUNDLED_PATH, AnyModel, LocalModel
from swarm.models.machine import Machine
from swarm.models.wanted import Wanted
from tests.closed import without_privileges
from tests.homeless import become_homeless
from tests.ports import free_port
from tests.threadless import allow_no_thread

GIB = 1 << 30
SNAPSHOT = Snapshot("linux", "A Processor", 4, 4, frozenset(), 16 * GIB, 10 * GIB)
MACHINE = Machine(SNAPSHOT, "cpu")
NANO = LocalModel("swarm-nano", BUNDLED_PATH, 5 << 20)
SMALL = LocalModel("small", Path("small.gguf"), 2 * GIB)
PLAN = plan_of(NANO, MACHINE)
ENTRANCE = Entrance.of(Settings.model_validate({"port": 1}))


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
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
    plan = main.ask_person(Choice((SMALL,), "it fits"), [SMALL], SNAPSHOT, PLAN)
    assert plan.models[0].id == chosen
    said = capsys.readouterr().out
    assert "A Processor" in said
    [first] = [line for line in said.splitlines() if line.startswith("  1  ")]
    assert f"small (2.00 GiB); {PLAN.context_tokens} tokens of context, " in first
    assert first.endswith(" tokens/s")
    assert answers == []


BETTER = Better(Wanted("best:7b:4bit", "me/best", ("best.gguf",)), PLAN)


@pytest.mark.parametrize(("answer", "comes"), [("", True), ("2", False)])
def test_enter_takes_the_model_that_is_to_be_brought(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, comes: bool
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: answer)
    choice = main.ask_person(Choice((NANO,), "until", better=BETTER), [], SNAPSHOT, PLAN)
    assert (choice.better is not None) == comes
    assert choice.models == (NANO,)
    said = capsys.readouterr().out
    assert "1  best:7b:4bit (" in said
    assert "tokens/s" in said
    assert "2  swarm-nano" in said


def test_where_nothing_is_here_the_catalogue_s_best_is_to_be_brought() -> None:
    choice = main.choose(read_settings(["--auto"]), MACHINE)
    assert choice.models[0].id == "swarm-nano"
    assert choice.better is not None
    assert choice.better.wanted.id in choice.reason
    assert choice.better.wanted.id in first_screen(choice)


def test_offline_and_alone_nothing_is_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    choice = main.choose(read_settings(["--auto", "--no-federation"]), MACHINE)
    assert choice.better is None
    assert "offline mode is on" in choice.reason
    assert main.choose(read_settings(["--auto"]), MACHINE).better is not None  # a peer may have it


def test_who_names_the_bundled_model_keeps_it() -> None:
    choice = main.choose(read_settings(["--auto", "--model", "swarm-nano"]), MACHINE)
    assert choice.models[0].id == "swarm-nano"
    assert choice.better is None


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", pytest.fail)
    assert main.choose(read_settings([]), MACHINE).models[0].id == "swarm-nano"


def first_screen(choice: Choice, notes: Sequence[str] = ()) -> str:
    return welcome.first_screen(read_settings([]), SNAPSHOT, choice, ENTRANCE, notes=notes)


def test_the_first_screen_names_hardware_model_and_endpoint() -> None:
    screen = first_screen(Choice((NANO,), "bundled"))
    for part in ("A Processor", "swarm-nano: bundled", "http://127.0.0.1:1/v1", "--model NAME"):
        assert part in screen


def test_the_first_screen_has_a_line_for_each_note() -> None:
    choice = Choice((SMALL,), "named")
    notes = ["RTX is not used: ..."]
    screen = first_screen(choice, notes)
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
    note = f"note         the engine is not installed; `{setup_command()}`"
    assert note in capsys.readouterr().out


def test_threads_are_for_fast_cores_only() -> None:
    mixed = replace(SNAPSHOT, physical_cores=16, usable_cores=16, performance_cores=8)
    assert fast_cores(mixed) == 8
    assert fast_cores(replace(mixed, usable_cores=4)) == 4
    assert threads_of(SMALL, 8) == 8
    assert threads_of(NANO, 8) == 1


def test_the_small_model_note_is_for_the_small_model_only() -> None:
    screen = first_screen(Choice((SMALL,), "named"))
    assert "--model NAME" not in screen
    assert "small bundled model" not in screen


def test_nobody_is_told_to_name_a_model_while_a_better_one_comes() -> None:
    screen = first_screen(Choice((NANO,), "until it is here", better=BETTER))
    assert "not what a model\n  can do." in screen
    assert "--model NAME" not in screen


def engine(model: AnyModel, *flags: str) -> AnyEngine:
    plan = plan_of(model, MACHINE) if isinstance(model, LocalModel) else None
    return make_engine(model, plan, read_settings(flags), fast_cores=2, environment={})


def test_an_mlx_folder_without_mlx_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mlx_lm", None)
    model = LocalModel("folder", Path("folder"), 1, "mlx")
    with pytest.raises(ConfigurationError, match=re.escape(setup_command(mlx="yes"))):
        engine(model)


def test_a_folder_s_mlx_model_without_mlx_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = LocalModel("folder", Path("folder"), 1, "mlx")
    monkeypatch.setitem(sys.modules, "mlx_lm", None)
    assert setup_command(mlx="yes") in without_engine([folder, SMALL])[0]
    assert "small" not in without_engine([folder, SMALL])[0]
    assert usual_engine("metal", read_settings([])) == "metal"


def test_on_metal_mlx_is_the_usual_engine_unless_the_owner_wants_what_it_has_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mlx_lm.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert usual_engine("metal", read_settings([])) == "mlx"
    assert usual_engine("cuda", read_settings([])) == "cuda"
    assert usual_engine("metal", read_settings(["--kv", "q8_0"])) == "metal"
    assert without_engine([LocalModel("folder", Path("folder"), 1, "mlx")]) == []


def test_an_engine_address_serves_what_is_named_and_nothing_of_the_folder() -> None:
    settings = read_settings(["--engine", "http://h:1/v1", "--model", "a/b", "--model", "c"])
    plan = main.choose(settings, MACHINE)
    assert [model.id for model in plan.models] == ["a/b", "c"]
    assert plan.reason == "served by http://h:1/v1"
    unnamed = main.choose(read_settings(["--engine", "http://h:1/v1"]), MACHINE)
    assert [model.id for model in unnamed.models] == ["upstream"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("h:1", "an address such as http://host:port/v1"),
        ("http://name:secret@h/v1", "SWARM_ENGINE_KEY"),
    ],
)
def test_an_engine_address_that_cannot_be_used_is_refused(address: str, said: str) -> None:
    plan = main.choose(read_settings(["--engine", address]), MACHINE)
    with pytest.raises(ConfigurationError, match=said) as refused:
        engine(plan.models[0])
    assert "secret" not in str(refused.value)


def test_what_mlx_models_have_not_is_refused() -> None:
    model = LocalModel("folder", Path("folder"), 1, "mlx")
    with pytest.raises(ConfigurationError, match="--kv are for GGUF files, not for folder"):
        engine(model, "--kv", "q8_0")


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


def test_a_machine_without_a_thread_for_the_node_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allow_no_thread(monkeypatch)
    assert main.main(["--auto", "--no-federation"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the system allows no more processes or threads")


def test_a_port_in_use_names_its_holder_and_the_flag_before_peers_are_told_of_the_node(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Federation, "__aenter__", lambda _: pytest.fail("it is among others"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main.main(["--auto", "--port", port]) == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is in use by" in said
    assert "--port" in said


def test_a_start_that_fails_keeps_no_key_that_nobody_was_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with socket.create_server(("0.0.0.0", 0)) as taken:
        flags = ["--host", "0.0.0.0", "--port", str(taken.getsockname()[1]), "--state", str(state)]
        assert main.main(["--auto", "--no-federation", *flags]) == 2
    assert "is in use" in capsys.readouterr().err
    assert not state.exists()


def test_a_folder_in_which_a_node_lives_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Federation, "__aenter__", lambda _: pytest.fail("it is among others"))
    with home.locked(tmp_path):
        flags = ["--port", str(free_port()), "--state", str(tmp_path)]
        assert main.main(["--auto", *flags]) == 2
    assert f"another node lives in {tmp_path}" in capsys.readouterr().err


def test_a_plan_is_explained_and_nothing_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--auto", "--explain", "--ctx", "2048"]) == 0
    said = capsys.readouterr().out
    for part in ("chosen: the small bundled model", "context 2048 tokens", "tokens/s"):
        assert part in said


def test_a_plan_is_explained_to_a_user_without_a_home(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    become_homeless(monkeypatch)
    assert main.main(["--auto", "--explain"]) == 0
    assert "chosen: the small bundled model" in capsys.readouterr().out
    assert main.main(["--model", "qwen2.5-coder:0.5b:4bit", "--no-federation"]) == 2
    assert "with --state DIR" in capsys.readouterr().err
    kept = ["--no-federation", "--state", "state"]
    assert main.main(["--model", "qwen2.5-coder:0.5b:4bit", *kept]) == 2
    assert "name a folder for models in HF_HOME" in capsys.readouterr().err
    assert not Path("~").exists()


def test_a_folder_of_models_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = gguf(tmp_path / "x.gguf")
    for more in ([], ["--model", "swarm-nano"]):
        assert main.main(["--explain", "--models", "nowhere", *more]) == 2
        assert "--models nowhere: there is no such folder" in capsys.readouterr().err
        assert main.main(["--explain", "--models", str(file), *more]) == 2
        assert f"that is a file; --model {file} serves it" in capsys.readouterr().err
    assert main.main(["--detect", "--models", "nowhere"]) == 0
    (tmp_path / "swarm.toml").write_text('[models]\nfolder = "gone"\n')
    assert main.main(["--explain"]) == 2
    assert "--models gone: there is no such folder" in capsys.readouterr().err


def test_a_named_folder_of_models_that_belongs_to_others_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir(mode=0)
    with without_privileges():
        assert main.main(["--explain", "--models", "mine"]) == 2
    assert "--models mine: it cannot be read: Permission denied" in capsys.readouterr().err


def explained(capsys: pytest.CaptureFixture[str], *names: str) -> str:
    models = [word for name in names for word in ("--model", name)]
    assert main.main(["--auto", "--explain", "--ctx", "2048", *models]) == 0
    return capsys.readouterr().out


def test_a_named_model_that_is_not_here_is_explained_from_its_card_and_not_brought(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    said = explained(capsys, "qwen2.5-coder:0.5b:4bit")
    assert "chosen: named with --model" in said
    assert "qwen2.5-coder:0.5b:4bit is not here; what follows is from its card" in said
    assert "context 2048 tokens" in said
    assert "tokens/s" in said
    assert "swarm-nano" not in said
    assert not (tmp_path / "hub").exists()


def test_a_model_whose_name_cannot_be_printed_is_explained(tmp_path: Path) -> None:
    shutil.copy(BUNDLED_PATH, tmp_path / "\u6a21.gguf")
    done = subprocess.run(
        [sys.executable, main.__file__, "--auto", "--explain", "--models", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u6a21: " in done.stdout


def test_a_plan_that_needs_a_file_which_is_not_here_is_not_made_up(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copy(BUNDLED_PATH, tmp_path / "mine.gguf")
    said = explained(capsys, "hf:me/mine/tiny.gguf", str(tmp_path / "mine.gguf"))
    assert "hf:me/mine/tiny.gguf is not here; its plan needs the file" in said
    assert "mine: " in said
    assert "swarm-nano" not in said


def test_what_was_brought_earlier_is_explained_from_its_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    repository = tmp_path / "hub" / "hub" / "models--me--mine"
    file = repository / "snapshots" / "abc" / "tiny.gguf"
    file.parent.mkdir(parents=True)
    shutil.copy(BUNDLED_PATH, file)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    said = explained(capsys, "hf:me/mine/tiny.gguf")
    assert "not here" not in said
    assert "hf:me/mine/tiny.gguf: " in said


def test_two_named_models_of_one_name_are_not_explained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(BUNDLED_PATH, tmp_path / folder / "mine.gguf")
    names = [word for folder in ("a", "b") for word in ("--model", f"{folder}/mine.gguf")]
    assert main.main(["--auto", "--explain", *names]) == 2
    assert "same name" in capsys.readouterr().err


def test_hardware_is_told_without_loading_doors_models_and_engines() -> None:
    code = (
        "import sys, main; assert main.main(['--detect']) == 0;"
        "assert not {'aiohttp', 'cryptography', 'jinja2', 'swarm.pool'} & set(sys.modules)"
    )
    root = Path(main.__file__).parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def run_into(output: int, flags: list[str]) -> "subprocess.CompletedProcess[str]":
    """The command with these flags, whose standard output goes there."""
    command = [sys.executable, main.__file__, *flags]
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("flags", [["--detect"], ["--help"], ["--auto", "--explain"]])
def test_a_command_whose_reader_has_left_ends_quietly(flags: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run_into(writing, flags)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flags", [["--detect"], ["--help"], ["--auto", "--explain"]])
def test_a_command_whose_output_cannot_be_written_says_so_in_one_line(flags: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run_into(full.fileno(), flags)
    told = "error: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_main_can_be_imported_without_engines_and_doors() -> None:
    code = (
        "import sys; sys.modules.update(llama_cpp=None, mlx=None); import main;"
        "assert not {'aiohttp', 'rich', 'zeroconf', 'psutil'} & set(sys.modules)"
    )
    root = Path(main.__file__).parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_another_python_than_the_project_s_is_told_which_to_use() -> None:
    bare = [sys.executable, "-E", "-S", main.__file__, "--help"]  # no packages but Python's own
    done = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: a package of this project is not here (No module named ")
    assert f"start it with {python_command()} main.py" in line
    assert f"({setup_command()} makes it)" in line
