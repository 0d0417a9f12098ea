import json
import re

import pytest

from hardware.detect import detect
from hardware.setting_up import setup_command
from hardware.snapshot import Accelerator, Snapshot
from swarm.engines.llama.build import (
    Build,
    check_build,
    check_gpu_layers,
    installed_build,
    parse_stamp,
    unused_accelerator,
)
from swarm.errors import ConfigurationError

STAMP = {"kind": "cpu", "reason": "no accelerator", "required_features": ["avx2", "avx512f"]}


def test_a_processor_that_lacks_an_instruction_set_is_told_before_anything_loads():
    build = parse_stamp(json.dumps(STAMP))
    with pytest.raises(ConfigurationError, match=rf"avx512f.*{re.escape(setup_command())}"):
        check_build(build, frozenset({"avx2", "sse4_2"}))


def test_a_processor_that_has_them_all_or_that_nobody_knows_is_let_through():
    build = parse_stamp(json.dumps(STAMP))
    check_build(build, frozenset({"avx2", "avx512f", "more"}))
    check_build(build, frozenset())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": 1, "reason": 2}'])
def test_a_damaged_stamp_says_what_mends_it(text):
    with pytest.raises(ConfigurationError, match=re.escape(setup_command())):
        parse_stamp(text)


def test_the_engine_of_this_machine_suits_it():
    build = installed_build()
    assert isinstance(build, Build)
    check_build(build, detect({}).features)


NVIDIA = Accelerator("cuda", "RTX 3060", 12 << 30)
AMD = Accelerator("hip", "RX 7900", 24 << 30)
INSIDE = Accelerator("vulkan", "HD 620", 16 << 30, unified=True)
CPU = Build("cpu", "there is RTX 3060, but not the CUDA toolkit (nvcc)", frozenset())


def snapshot(*accelerators, platform="Linux x86_64"):
    return Snapshot(platform, "A CPU", 8, 8, frozenset(), 16, 12, accelerators)


def test_an_idle_accelerator_is_named_with_why_and_the_command_that_mends_it():
    said = unused_accelerator(CPU, snapshot(NVIDIA), {}, "apt-get")
    assert said == (
        "RTX 3060 is not used: the engine was built for the processor alone (there is RTX 3060, "
        "but not the CUDA toolkit (nvcc)). To use it: sudo apt-get install -y nvidia-cuda-toolkit "
        "&& make setup ENGINE=cuda"
    )


@pytest.mark.parametrize(
    ("accelerator", "platform", "toolkits", "tool", "command"),
    [
        (NVIDIA, "Linux x86_64", {"cuda": "nvcc"}, "apt-get", ": make setup ENGINE=cuda"),
        (NVIDIA, "Linux x86_64", {"vulkan": "glslc"}, "apt-get", ": make setup ENGINE=vulkan"),
        (AMD, "Linux x86_64", {}, "apt-get", "glslc spirv-headers && make setup ENGINE=vulkan"),
        (AMD, "Linux x86_64", {}, None, "rocm.docs.amd.com, then make setup ENGINE=hip"),
        (
            NVIDIA,
            "Windows AMD64",
            {},
            "winget",
            r"Nvidia.CUDA && py scripts\setup.py --engine cuda",
        ),
        (INSIDE, "Android aarch64", {}, "pkg", "spirv-headers && make setup ENGINE=vulkan"),
    ],
)
def test_the_command_suits_the_system(accelerator, platform, toolkits, tool, command):
    said = unused_accelerator(CPU, snapshot(accelerator, platform=platform), toolkits, tool)
    assert said is not None
    assert said.endswith(command)


def test_layers_on_an_accelerator_that_the_engine_cannot_use_are_refused_with_what_mends_it():
    environ = {"PATH": "/nowhere"}
    with pytest.raises(ConfigurationError, match=r"to use RTX 3060: .*make setup ENGINE=cuda"):
        check_gpu_layers(3, CPU, snapshot(NVIDIA), environ)
    bare = Build("cpu", "the CUDA toolkit (nvcc) is here, but no device with a driver", frozenset())
    with pytest.raises(ConfigurationError, match=r"leave out --gpu-layers$") as caught:
        check_gpu_layers(3, bare, snapshot(), environ)
    assert "install" not in str(caught.value)
    assert "make" not in str(caught.value)
    for layers in (0, -1):
        check_gpu_layers(layers, CPU, snapshot(NVIDIA), environ)
    check_gpu_layers(3, Build("cuda", "", frozenset()), snapshot(NVIDIA), environ)


def test_nothing_is_said_where_nothing_is_idle_or_the_owner_chose():
    cuda = Build("cuda", "there is RTX 3060", frozenset())
    assert unused_accelerator(cuda, snapshot(INSIDE, NVIDIA), {}, None) is None
    assert unused_accelerator(CPU, snapshot(), {}, None) is None
    asked = Build("cpu", "asked for", frozenset())
    assert unused_accelerator(asked, snapshot(NVIDIA), {}, None) is None
    unknown = Build("unknown", "not built by make setup", frozenset())
    assert unused_accelerator(unknown, snapshot(NVIDIA), {}, None) is None


def test_the_larger_device_counts():
    cuda = Build("cuda", "there is RTX 3060", frozenset())
    assert "RX 7900 is not used" in (
        unused_accelerator(cuda, snapshot(NVIDIA, AMD), {}, None) or ""
    )
