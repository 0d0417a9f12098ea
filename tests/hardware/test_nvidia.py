import pytest

from hardware import nvidia

MIB = 1024**2
TWO = """\
NVIDIA GeForce RTX 3060, 12288, 11000
NVIDIA H200, 143771, 143200
"""


def test_each_line_is_a_device() -> None:
    first, second = nvidia.parse_devices(TWO)
    assert first.name == "NVIDIA GeForce RTX 3060"
    assert first.kind == "cuda"
    assert (first.memory_total_bytes, first.memory_free_bytes) == (12288 * MIB, 11000 * MIB)
    assert second.memory_total_bytes == 143771 * MIB


def test_free_memory_may_be_unknown() -> None:
    (device,) = nvidia.parse_devices("Tesla K80, 11441, [N/A]\n")
    assert device.memory_free_bytes is None


@pytest.mark.parametrize("text", ["", "No devices were found\n", "a,b\n", "GB10, [N/A], [N/A]\n"])
def test_odd_output_is_no_device(text: str) -> None:
    assert nvidia.parse_devices(text) == ()


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        (None, ["NVIDIA GeForce RTX 3060", "NVIDIA H200"]),
        ("1", ["NVIDIA H200"]),
        ("1,0", ["NVIDIA H200", "NVIDIA GeForce RTX 3060"]),
        ("7", []),
        ("", []),
        ("-1", []),
        ("GPU-8932f937", ["NVIDIA GeForce RTX 3060", "NVIDIA H200"]),
    ],
)
def test_cuda_visible_devices_hides_devices(setting: str | None, names: list[str]) -> None:
    devices = nvidia.visible(nvidia.parse_devices(TWO), setting)
    assert [device.name for device in devices] == names
