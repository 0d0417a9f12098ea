from pathlib import Path

from hardware.toolkits import find_toolkits, package_tool


def installed(*tools: str):
    """A `which` that knows tools on the PATH by name, and elsewhere by their whole path."""

    def which(name: str, folder: str | None) -> str | None:
        path = f"{folder}/{name}"
        return path if path in tools else name if name in tools and folder == "PATH" else None

    return which


def nowhere(path: Path) -> bool:
    return False


def test_a_compiler_on_the_path_or_at_its_home_is_found() -> None:
    environ = {"PATH": "PATH", "HIP_PATH": "/rocm"}
    found = find_toolkits(
        environ, "Linux", which=installed("nvcc", "/rocm/bin/hipcc"), exists=nowhere
    )
    assert found == {"cuda": "nvcc", "hip": "/rocm/bin/hipcc"}


def test_vulkan_needs_its_headers_too() -> None:
    which = installed("glslc")
    assert find_toolkits({"PATH": "PATH"}, "Linux", which=which, exists=nowhere) == {}
    termux = {"PATH": "PATH", "PREFIX": "/termux"}
    header = Path("/termux/include/vulkan/vulkan.h")
    assert find_toolkits(termux, "Linux", which=which, exists=lambda path: path == header) == {
        "vulkan": "glslc"
    }


def test_clang_is_a_toolkit_on_apple_machines_only() -> None:
    which = installed("clang")
    assert find_toolkits({"PATH": "PATH"}, "Linux", which=which, exists=nowhere) == {}
    assert find_toolkits({"PATH": "PATH"}, "Darwin", which=which, exists=nowhere) == {
        "metal": "clang"
    }


def test_termuxs_own_package_tool_goes_first() -> None:
    assert package_tool({"PATH": "PATH"}, which=installed("apt-get", "pkg")) == "pkg"
    assert package_tool({"PATH": "PATH"}, which=installed("dnf")) == "dnf"
    assert package_tool({"PATH": "PATH"}, which=installed()) is None
