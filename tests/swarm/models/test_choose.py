"""From a name to a model, what is said of names that do not work, and what is chosen unasked."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.models import TINY, random_model
from hardware.snapshot import Accelerator, Snapshot
from swarm.errors import ConfigurationError
from swarm.models.catalogue import load_catalogue
from swarm.models.choose import (
    Choice,
    best_to_bring,
    named_models,
    plan_of,
    recommended,
    until_here,
)
from swarm.models.find import find
from swarm.models.fit import FitOptions
from swarm.models.local import BUNDLED_ID, LocalModel, bundled_model, scan_models
from swarm.models.machine import Known, Machine
from swarm.models.memory import CONTEXT_TOKENS
from swarm.models.wanted import Unreachable, Wanted
from tests.swarm.engines.llama.memories import encoder

GIB = 1 << 30
PC = Snapshot("linux", "A Processor", 8, 8, frozenset(), 32 * GIB, 24 * GIB)
GPU = replace(PC, accelerators=(Accelerator("cuda", "Card", 24 * GIB, 22 * GIB),))
CARDS = load_catalogue()


def known(*found: LocalModel) -> Known:
    return Known(found, CARDS)


def found(name: str, snapshot: Snapshot = PC, kind: str = "cpu") -> Wanted:
    wanted = find(name, known(), Machine(snapshot, kind))
    assert isinstance(wanted, Wanted)
    return wanted


def never(wanted: Wanted) -> Path:
    raise AssertionError(wanted)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("qwen2.5-coder:7b:4bit", "qwen2.5-coder:7b:4bit"),
        ("qwen2.5-coder:7b:q8_0", "qwen2.5-coder:7b:8bit"),
        ("Qwen2.5-Coder:7B", "qwen2.5-coder:7b:4bit"),
        ("gpt-oss", "gpt-oss:20b:4bit"),
    ],
)
def test_what_an_id_leaves_out_is_chosen_by_fit(name: str, means: str) -> None:
    assert found(name).id == means


def test_a_models_own_options_hold_when_it_is_chosen(tmp_path: Path) -> None:
    def options_of(model_id: str) -> FitOptions:
        own = {"qwen2.5-coder:14b:4bit", "chat"}
        return FitOptions(context_tokens=16_384 if model_id in own else 131_072)

    machine = Machine(PC, "cpu", options_of)
    with pytest.raises(ConfigurationError, match="--ctx 131072"):
        find("qwen2.5-coder:14b:8bit", known(), machine)
    for name in ("qwen2.5-coder:14b:4bit", "qwen2.5-coder:14b"):
        wanted = find(name, known(), machine)
        assert wanted.id == "qwen2.5-coder:14b:4bit"
    better = best_to_bring(known(), machine)
    assert better
    assert better.plan.context_tokens == options_of(better.wanted.id).context_tokens
    chat = LocalModel("chat", random_model(TINY, folder=tmp_path), 5 * GIB)
    assert recommended(known(chat), machine, folder="models").models == (chat,)
    assert plan_of(chat, machine).context_tokens == 16_384


def test_a_better_machine_gets_a_larger_size_and_a_finer_quantisation() -> None:
    assert found("qwen2.5-coder:7b", GPU, "cuda").id == "qwen2.5-coder:7b:8bit"
    assert found("qwen2.5-coder", GPU, "cuda").id.startswith("qwen2.5-coder:14b")


def test_a_release_is_pinned_with_its_files_and_size() -> None:
    wanted = found("qwen2.5:7b:4bit")
    assert wanted.repository == "Qwen/Qwen2.5-7B-Instruct-GGUF"
    assert wanted.files[0].endswith("-00001-of-00002.gguf")
    assert wanted.revision is not None
    assert wanted.size_bytes == 4_683_073_632


def test_an_mlx_engine_gets_mlx_repositories() -> None:
    wanted = found("qwen2.5-coder:7b:6bit", PC, "mlx")
    assert (wanted.repository, wanted.files) == ("mlx-community/Qwen2.5-Coder-7B-Instruct-6bit", ())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("qwen2.5-code:7b", "did you mean qwen2.5-coder"),
        ("quite-unlike", "there is codellama, "),
        ("qwen2.5-coder:8b", "no size '8b'; it has 0.5b, 1.5b, 3b, 7b, 14b, 32b"),
        ("gpt-oss:20b:8bit", "no '8bit'; it has 4bit"),
        ("llama3.3:70b", "too large .* what would fit: "),
        ("llama3.3:70b:4bit", "39.6 GiB of weights"),
        ("/nowhere/a.gguf", "no such file"),
        ("a.gguf", "no such file"),
        ("~nobody-at-all/a.gguf", "no such file"),
        ("a" * 300, "cannot be read: File name too long"),
        ("hf:owner", "hf:owner/repository/file.gguf"),
    ],
)
def test_a_name_that_does_not_work_is_told_why_and_what_does(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        find(name, known(), Machine(PC, "cpu"))


def test_a_file_is_found_by_its_name_and_by_the_id_made_of_it() -> None:
    model = LocalModel("my-model", Path("my\u00a0model.gguf"), 1)
    for name in ("my-model", "my\u00a0model"):
        assert find(name, known(model), Machine(PC, "cpu")) is model


def test_what_would_fit_loses_little_and_runs_well() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find("llama3.3:70b", known(), Machine(PC, "cpu"))
    offered = str(caught.value).split("what would fit: ")[1]
    assert not {":2bit", ":3bit"} & set(offered.split())


def test_a_place_on_the_hub_is_taken_as_written() -> None:
    assert found("hf:me/mine/sub/mine-q4.gguf").files == ("sub/mine-q4.gguf",)
    assert found("hf:me/mine-mlx") == Wanted("hf:me/mine-mlx", "me/mine-mlx", ())


def test_of_a_split_model_on_the_hub_all_parts_are_brought() -> None:
    assert found("hf:me/mine/q4/a-00001-of-00003.gguf").files == (
        "q4/a-00001-of-00003.gguf",
        "q4/a-00002-of-00003.gguf",
        "q4/a-00003-of-00003.gguf",
    )


def test_files_folders_and_the_models_folder_come_before_the_catalogue(tmp_path: Path) -> None:
    file = random_model(TINY, folder=tmp_path)
    here = LocalModel("qwen3:8b", file, 1)
    machine = Machine(PC, "cpu")
    assert find(str(file), known(), machine).id == file.stem
    assert find("qwen3:8b", known(here), machine) is here
    assert find(BUNDLED_ID, known(), machine) == bundled_model()


def test_the_largest_model_of_the_folder_that_fits_is_taken(tmp_path: Path) -> None:
    file = random_model(TINY, folder=tmp_path)
    models = scan_models(tmp_path)
    assert [
        model.path for model in recommended(known(*models), Machine(PC, "cpu"), folder="x").models
    ] == [file]
    tight = Machine(replace(PC, memory_available_bytes=GIB // 16), "cpu")
    with pytest.raises(ConfigurationError, match="too large"):
        plan_of(models[0], tight)
    choice = recommended(known(*models), tight, folder="models")
    assert choice.models == (bundled_model(),)
    assert "no model in models generates text and fits" in choice.reason


def test_an_embedding_model_is_served_by_its_id_alone(tmp_path: Path) -> None:
    encoder(tmp_path / "embed.gguf")
    machine = Machine(PC, "cpu")
    (embed,) = scan_models(tmp_path)
    for here in (known(embed), replace(known(), cached=(embed,))):
        choice = recommended(here, machine, folder="models").with_others([embed], machine)
        assert (choice.models, choice.others) == ((bundled_model(),), (embed,))
    chat = LocalModel("chat", random_model(TINY, folder=tmp_path), 1)
    choice = recommended(known(embed, chat), machine, folder="models")
    assert choice.models == (chat,)
    named = named_models([str(embed.path)], known(embed), machine, never)
    assert named.models == (embed,)


def test_an_mlx_model_is_planned_beside_an_engine_for_gguf_files(tmp_path: Path) -> None:
    plan = plan_of(LocalModel("mine", tmp_path, 100, "mlx"), Machine(PC, "cpu"))
    assert plan.model.id == "mine"


def test_an_mlx_folder_is_for_who_has_its_engine(tmp_path: Path) -> None:
    folder = LocalModel("folder", tmp_path, 2 * GIB, "mlx")
    file = LocalModel("file", random_model(TINY, folder=tmp_path), GIB)
    both = frozenset({"gguf", "mlx"})
    mac, pc = Machine(PC, "mlx", formats=both), Machine(PC, "cpu")
    for machine, first in ((mac, folder), (replace(pc, formats=both), file), (pc, file)):
        choice = recommended(known(folder, file), machine, folder="models")
        assert choice.models == (first,)
        others = choice.with_others((folder, file), machine).others
        rest = [model for model in (folder, file) if model != first]
        assert list(others) == (rest if machine is not pc else [])


def test_a_damaged_file_of_the_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(100))
    choice = recommended(known(*scan_models(tmp_path)), Machine(PC, "cpu"), folder="models")
    assert choice.models == (bundled_model(),)


def test_the_best_coding_model_that_runs_well_is_to_be_brought() -> None:
    better = best_to_bring(known(), Machine(GPU, "cuda"))
    assert better is not None
    assert better.wanted.id.startswith("qwen3-coder")
    assert not better.plan.warnings
    poor = replace(PC, memory_available_bytes=GIB // 4)
    assert best_to_bring(known(), Machine(poor, "cpu")) is None


@pytest.mark.parametrize("memory_gib", [6, 8, 12, 16, 20, 24, 32, 48])
def test_what_is_brought_calls_tools_and_is_not_of_years_ago(memory_gib: int) -> None:
    card = Accelerator("cuda", "Card", memory_gib * GIB, memory_gib * GIB)
    house = replace(PC, memory_available_bytes=64 * GIB, accelerators=(card,))
    for machine in (Machine(house, "cuda"), Machine(replace(house, accelerators=()), "cpu")):
        better = best_to_bring(known(), machine)
        assert better
        one = next(each for each in CARDS if better.wanted.id.startswith(f"{each.id}:"))
        assert one.tool_calls
        assert not better.wanted.id.endswith((":2bit", ":3bit"))
        if better.plan.model.size_bytes > 15 * GIB:
            assert (one.year or 0) >= 2025


def test_what_is_brought_has_a_context_that_is_known_to_fit() -> None:
    bare = tuple(replace(card, shape=None) for card in CARDS)
    assert best_to_bring(replace(known(), cards=bare), Machine(GPU, "cuda")) is None


@pytest.mark.parametrize("free_gib", [14.5, 15, 15.5, 15.9])
def test_a_card_of_16_gib_is_given_what_has_a_whole_context(free_gib: float) -> None:
    card = Accelerator("cuda", "Card", 16 * GIB, int(free_gib * GIB))
    better = best_to_bring(known(), Machine(replace(PC, accelerators=(card,)), "cuda"))
    assert better
    assert better.plan.offloaded
    assert better.plan.context_tokens == CONTEXT_TOKENS
    assert better.plan.model.shape


def test_every_coding_model_says_of_which_year_it_is() -> None:
    assert all(card.year for card in CARDS if card.purpose == "code")


@pytest.mark.parametrize("memory_gib", [4, 6, 8, 12, 16, 24, 32])
def test_what_is_brought_was_trained_to_answer(memory_gib: int) -> None:
    machine = Machine(replace(PC, memory_available_bytes=memory_gib * GIB), "cpu")
    better = best_to_bring(known(), machine)
    assert better
    assert better.wanted.id.rpartition(":")[0] not in ("starcoder2:3b", "starcoder2:7b")


def test_a_device_that_the_engine_leaves_idle_keeps_no_model_away() -> None:
    inside = Accelerator("vulkan", "Graphics", 32 * GIB, unified=True)
    better, same = (
        best_to_bring(known(), Machine(machine, "cpu"))
        for machine in (PC, replace(PC, accelerators=(inside,)))
    )
    assert better
    assert same
    assert same.wanted == better.wanted
    assert "although there is Graphics" in same.plan.warnings[0]


def test_the_bundled_model_answers_until_the_better_one_is_here() -> None:
    small = recommended(known(), Machine(PC, "cpu"), folder="models")
    better = best_to_bring(known(), Machine(PC, "cpu"))
    assert better is not None
    choice = until_here(small, better, why_not=None)
    assert (choice.models, choice.better) == (small.models, better)
    for part in (f"until {better.wanted.id} (", "best coding model", "--model swarm-nano"):
        assert part in choice.reason


def test_what_cannot_be_brought_is_named_with_why() -> None:
    small = recommended(known(), Machine(PC, "cpu"), folder="models")
    better = best_to_bring(known(), Machine(PC, "cpu"))
    choice = until_here(small, better, why_not="but offline mode is on")
    assert choice.better is None
    assert choice.reason.endswith("would run well here, but offline mode is on")
    assert until_here(small, None, why_not=None) == small


def test_of_what_was_brought_earlier_a_model_for_code_comes_first(tmp_path: Path) -> None:
    file = random_model(TINY, folder=tmp_path)
    chat = LocalModel("qwen2.5:7b:4bit", file, 2 * GIB)
    code = LocalModel("qwen2.5-coder:3b:4bit", file, GIB)
    cached = replace(known(), cached=(chat, code))
    choice = recommended(cached, Machine(PC, "cpu"), folder="models")
    assert choice.models == (code,)
    assert "brought here earlier" in choice.reason


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("big-00002-of-00003.gguf", "the first part: hf:me/mine/big-00001-of-00003.gguf"),
        ("Q4/notes.txt", "a file that ends in .gguf"),
        ("Q4", "a file that ends in .gguf"),
    ],
)
def test_a_file_of_the_hub_that_is_no_model_by_its_name_is_refused(file: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        find(f"hf:me/mine/{file}", known(), Machine(PC, "cpu"))


def test_a_later_part_that_is_here_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "big-00002-of-00003.gguf"
    file.touch()
    with pytest.raises(ConfigurationError, match=r"the first part: .*/big-00001-of-00003\.gguf"):
        find(str(file), known(), Machine(PC, "cpu"))


def test_a_repository_for_mlx_is_not_brought_where_mlx_is_not_installed() -> None:
    with pytest.raises(ConfigurationError, match="MLX is not installed here"):
        named_models(["hf:me/mine"], known(), Machine(PC, "cpu"), never)


def test_who_may_have_meant_gguf_is_told_to_name_a_file() -> None:
    with pytest.raises(ConfigurationError, match=r"for GGUF name a file: hf:me/mine/FILE\.gguf"):
        named_models(["hf:me/mine"], known(), Machine(PC, "cpu"), never)


@pytest.mark.parametrize("name", ["nope", "qwne3"])
def test_an_unknown_model_is_told_in_sentences(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"[a-z0-9][.?] Otherwise give"):
        find(name, known(), Machine(PC, "cpu"))


def test_named_models_are_brought_here_in_their_order(tmp_path: Path) -> None:
    file = random_model(TINY, folder=tmp_path)
    choice = named_models(
        ["qwen2.5-coder:0.5b:8bit", str(file)], known(), Machine(PC, "cpu"), lambda _: file
    )
    assert [model.id for model in choice.models] == ["qwen2.5-coder:0.5b:8bit", file.stem]
    assert choice.models[0].size_bytes == file.stat().st_size
    assert choice.models[0].sampling["top_k"] == 20
    assert choice.models[0].tool_calls == "hermes"


def unreachable(wanted: Wanted) -> Path:
    raise Unreachable(f"{wanted.id} is not here, and the hub cannot be reached")


def test_of_named_models_what_cannot_be_brought_is_left_out_and_told(tmp_path: Path) -> None:
    file = random_model(TINY, folder=tmp_path)
    names = ["gpt-oss:20b", str(file), "qwen2.5-coder:0.5b:4bit"]
    choice = named_models(names, known(), Machine(PC, "cpu"), unreachable)
    assert [model.id for model in choice.models] == [file.stem]
    for missing in ("gpt-oss:20b:4bit", "qwen2.5-coder:0.5b:4bit"):
        assert f"{missing} is not here, and the hub cannot be reached" in choice.reason


def test_without_a_network_the_bundled_model_is_served_and_says_why() -> None:
    choice = named_models(["gpt-oss:20b"], known(), Machine(PC, "cpu"), unreachable)
    assert choice.models == (bundled_model(),)
    assert "gpt-oss:20b:4bit is not here, and the hub cannot be reached" in choice.reason


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    file = random_model(TINY, folder=tmp_path / "a")
    (tmp_path / "b").mkdir()
    shutil.copy(file, tmp_path / "b")
    with pytest.raises(ConfigurationError, match="same name"):
        named_models(
            [str(file), str(tmp_path / "b" / file.name)], known(), Machine(PC, "cpu"), never
        )


def test_what_else_is_here_is_known_once(tmp_path: Path) -> None:
    def model(name: str, file: str) -> LocalModel:
        return LocalModel(name, tmp_path / file, GIB)

    chosen = Choice((model("named", "a.gguf"),), "named")
    here = [model("a", "a.gguf"), model("b", "b.gguf"), model("named", "c.gguf"), model("b", "d")]
    assert [other.id for other in chosen.with_others(here, Machine(PC, "cpu")).others] == ["b"]


def test_a_link_to_what_is_chosen_is_no_other_model(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.touch()
    for link in ("a.gguf", "b.gguf", "c.gguf"):
        (tmp_path / link).symlink_to(blob)
    chosen = Choice((LocalModel("a", tmp_path / "a.gguf", GIB),), "named")
    here = [LocalModel("b", tmp_path / "b.gguf", GIB), LocalModel("c", blob, GIB)]
    assert not chosen.with_others(here, Machine(PC, "cpu")).others
