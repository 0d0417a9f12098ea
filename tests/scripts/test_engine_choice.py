from pathlib import Path

import pytest

from hardware.detect import snapshot_of
from hardware.snapshot import Accelerator, AcceleratorKind, Snapshot
from scripts.engine_choice import (
    Facts,
    ImpossibleEngine,
    choose,
    cmake_command,
    facts_of,
)
from tests.hardware.recorded import Machine, machines

EVERY_TOOLKIT: dict[AcceleratorKind, str] = {
    "metal": "/usr/bin/clang",
    "cuda": "/usr/bin/nvcc",
    "hip": "/opt/rocm/bin/hipcc",
    "vulkan": "/usr/bin/glslc",
}

AVX2 = frozenset({"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"})
AVX512 = frozenset({"avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"})


def facts(
    *,
    features: frozenset[str] = AVX2,
    devices: dict[AcceleratorKind, str] | None = None,
    toolkits: dict[AcceleratorKind, str] | None = None,
    system: str = "Linux",
    machine: str = "x86_64",
) -> Facts:
    return Facts(system, machine, features, devices or {}, toolkits or {})


def test_a_plain_machine_gets_its_own_instruction_sets_by_name() -> None:
    choice = choose(facts())
    assert choice.kind == "cpu"
    assert choice.options["GGML_NATIVE"] == "OFF"
    assert choice.options["GGML_AVX2"] == "ON"
    assert choice.options["GGML_AVX512"] == "OFF"
    assert set(choice.required_features) == AVX2


def test_an_old_machine_gets_what_it_has() -> None:
    choice = choose(facts(features=frozenset({"sse4_2"})))
    assert choice.options["GGML_AVX"] == "OFF"
    assert choice.required_features == ("sse4_2",)


def test_avx512_needs_all_of_its_five_parts() -> None:
    assert choose(facts(features=AVX2 | AVX512)).options["GGML_AVX512"] == "ON"
    partly = AVX2 | AVX512 - {"avx512vl"}
    assert choose(facts(features=partly)).options["GGML_AVX512"] == "OFF"


def test_amx_is_never_built() -> None:
    choice = choose(facts(features=AVX2 | AVX512 | {"amx_tile", "amx_int8", "amx_bf16"}))
    assert not any("AMX" in option for option in choice.options)
    assert choice.options["GGML_NATIVE"] == "OFF"
    assert not any("amx" in feature for feature in choice.required_features)


def test_arm_asks_its_compiler_and_needs_what_is_there() -> None:
    choice = choose(facts(machine="aarch64", features=frozenset({"asimddp", "asimd"})))
    assert choice.options["GGML_NATIVE"] == "ON"
    assert choice.required_features == ("asimd", "asimddp")


def test_a_toolkit_without_a_device_is_not_used() -> None:
    choice = choose(facts(toolkits={"cuda": "/usr/bin/nvcc"}))
    assert choice.kind == "cpu"
    assert "nvcc" in choice.reason


def test_a_device_without_a_toolkit_names_what_is_missing() -> None:
    choice = choose(facts(devices={"cuda": "RTX 3060"}))
    assert choice.kind == "cpu"
    assert "RTX 3060" in choice.reason
    assert "nvcc" in choice.reason


def test_a_device_with_its_toolkit_is_used() -> None:
    choice = choose(facts(devices={"cuda": "RTX 3060"}, toolkits={"cuda": "/usr/bin/nvcc"}))
    assert choice.kind == "cuda"
    assert choice.options["GGML_CUDA"] == "ON"
    assert choice.options["CMAKE_CUDA_COMPILER"] == "/usr/bin/nvcc"
    assert choice.options["CMAKE_CUDA_ARCHITECTURES"] == "native"


def test_cuda_goes_before_vulkan() -> None:
    devices: dict[AcceleratorKind, str] = {"vulkan": "a GPU", "cuda": "RTX 3060"}
    toolkits: dict[AcceleratorKind, str] = {"vulkan": "/usr/bin/glslc", "cuda": "/usr/bin/nvcc"}
    assert choose(facts(devices=devices, toolkits=toolkits)).kind == "cuda"


def test_an_apple_machine_gets_metal_unless_told_otherwise() -> None:
    mac = facts(
        system="Darwin",
        machine="arm64",
        devices={"metal": "Apple M2"},
        toolkits={"metal": "/usr/bin/clang"},
    )
    assert choose(mac).options["GGML_METAL"] == "ON"
    assert choose(mac, "cpu").options["GGML_METAL"] == "OFF"


def test_an_engine_asked_for_needs_only_its_toolkit() -> None:
    choice = choose(facts(toolkits={"cuda": "/usr/bin/nvcc"}), "cuda")
    assert choice.kind == "cuda"
    assert "CMAKE_CUDA_ARCHITECTURES" not in choice.options
    with pytest.raises(ImpossibleEngine, match="glslc"):
        choose(facts(), "vulkan")
    with pytest.raises(ImpossibleEngine, match="no engine 'tpu'"):
        choose(facts(), "tpu")


@pytest.mark.parametrize("machine", machines(), ids=lambda machine: machine.name)
def test_every_recorded_machine_gets_the_engine_that_suits_it(
    machine: Machine, tmp_path: Path
) -> None:
    probe = machine.probe(tmp_path)
    toolkits = {kind: path for kind, path in EVERY_TOOLKIT.items() if kind != "metal"}
    if probe.host.system == "Darwin":
        toolkits = {"metal": EVERY_TOOLKIT["metal"]}
    open_graphics = any(name.startswith("renderD") for name in probe.names("dev/dri"))
    found = facts_of(snapshot_of(probe), toolkits, vulkan_driver=open_graphics)
    assert choose(found).kind == machine.data["engine"]
    assert choose(facts_of(snapshot_of(probe), {}, vulkan_driver=True)).kind == "cpu"


def snapshot(*accelerators: Accelerator, platform: str = "Linux x86_64") -> Snapshot:
    return Snapshot(platform, "A CPU", 8, 8, AVX2, 16, 12, accelerators)


AMD = Accelerator("hip", "RX 7900", 24 << 30, architecture="gfx1100")
AMD_INSIDE = Accelerator("hip", "Radeon", 8 << 30, unified=True, architecture="gfx1036")
NVIDIA = Accelerator("cuda", "RTX 3060", 12 << 30, architecture="8.6")
ADRENO = Accelerator("vulkan", "Adreno 740", 12 << 30, unified=True, driver="kgsl")


def test_rocm_compiles_for_the_devices_that_are_here() -> None:
    found = facts_of(snapshot(AMD_INSIDE, AMD), EVERY_TOOLKIT, vulkan_driver=True)
    choice = choose(found, "hip")
    assert choice.options["GPU_TARGETS"] == "gfx1036;gfx1100"
    assert "RX 7900" in choose(found).reason


def test_vulkan_takes_what_lacks_its_own_toolkit_where_graphics_are_open() -> None:
    vulkan: dict[AcceleratorKind, str] = {"vulkan": "/usr/bin/glslc"}
    for device in (AMD, NVIDIA):
        assert choose(facts_of(snapshot(device), vulkan, vulkan_driver=True)).kind == "vulkan"
        assert choose(facts_of(snapshot(device), vulkan, vulkan_driver=False)).kind == "cpu"


def test_a_phone_takes_its_processor_unless_vulkan_is_asked_for() -> None:
    phone = facts_of(
        snapshot(ADRENO, platform="Android aarch64"), EVERY_TOOLKIT, vulkan_driver=True
    )
    choice = choose(phone)
    assert choice.kind == "cpu"
    assert "Adreno 740 is left out" in choice.reason
    assert choose(phone, "vulkan").options["GGML_VULKAN"] == "ON"


def test_termux_builds_with_its_own_tools_and_says_which_it_lacks() -> None:
    assert cmake_command("Linux", "/py", {}) == ["/py", "-m", "cmake"]
    found = {"cmake": "/usr/bin/cmake", "ninja": "/usr/bin/ninja", "clang": "/usr/bin/clang"}
    assert cmake_command("Android", "/py", found) == ["/usr/bin/cmake"]
    with pytest.raises(ImpossibleEngine, match=r"no ninja, clang: pkg install clang cmake ninja"):
        cmake_command("Android", "/py", {"cmake": "/usr/bin/cmake"})
