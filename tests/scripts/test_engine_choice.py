import pytest

from scripts.engine_choice import EngineKind, Facts, ImpossibleEngine, choose

AVX2 = frozenset({"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2"})
AVX512 = frozenset({"avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"})


def facts(
    *,
    features: frozenset[str] = AVX2,
    devices: dict[EngineKind, str] | None = None,
    toolkits: dict[EngineKind, str] | None = None,
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


def test_arm_asks_its_compiler() -> None:
    choice = choose(facts(machine="aarch64", features=frozenset({"asimd"})))
    assert choice.options["GGML_NATIVE"] == "ON"
    assert choice.required_features == ()


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
    devices: dict[EngineKind, str] = {"vulkan": "a GPU", "cuda": "RTX 3060"}
    toolkits: dict[EngineKind, str] = {"vulkan": "/usr/bin/glslc", "cuda": "/usr/bin/nvcc"}
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
