"""The toolkits that build engines for accelerators: which are here, and how a person gets one."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hardware.snapshot import AcceleratorKind

Which = Callable[[str, str | None], str | None]


@dataclass(frozen=True, slots=True)
class Toolkit:
    """What a person calls it, its command for each package tool, and where it is otherwise."""

    name: str
    packages: Mapping[str, str]
    page: str


# In the order in which an engine prefers them. ROCm has no packages here: those of distributions
# are often older than the 6.1 that llama.cpp needs.
TOOLKITS: Mapping[AcceleratorKind, Toolkit] = {
    "metal": Toolkit(
        "the command line tools of Xcode",
        {"xcode-select": "xcode-select --install"},
        "https://developer.apple.com/xcode",
    ),
    "cuda": Toolkit(
        "the CUDA toolkit (nvcc)",
        {
            "apt-get": "sudo apt-get install -y nvidia-cuda-toolkit",
            "pacman": "sudo pacman -S cuda",
            "winget": "winget install Nvidia.CUDA",
        },
        "https://developer.nvidia.com/cuda-downloads",
    ),
    "hip": Toolkit("the ROCm toolkit (hipcc)", {}, "https://rocm.docs.amd.com"),
    "vulkan": Toolkit(
        "the Vulkan SDK (glslc and headers)",
        {
            "pkg": "pkg install vulkan-headers vulkan-loader-android shaderc spirv-headers",
            "apt-get": "sudo apt-get install -y libvulkan-dev glslc spirv-headers",
            "dnf": "sudo dnf install -y vulkan-loader-devel glslc spirv-headers-devel",
            "pacman": "sudo pacman -S vulkan-headers vulkan-icd-loader shaderc spirv-headers",
            "zypper": "sudo zypper install -y vulkan-devel shaderc spirv-headers-devel",
            "winget": "winget install KhronosGroup.VulkanSDK",
        },
        "https://vulkan.lunarg.com",
    ),
}
# Termux has an apt-get too, so its own tool is looked for first.
_PACKAGE_TOOLS = ("pkg", "apt-get", "dnf", "pacman", "zypper", "winget", "xcode-select")


def _which(name: str, folder: str | None) -> str | None:
    return shutil.which(name, path=folder)


def find_toolkits(
    environ: Mapping[str, str],
    system: str,
    *,
    which: Which = _which,
    exists: Callable[[Path], bool] = Path.exists,
) -> dict[AcceleratorKind, str]:
    """The toolkits that are installed, each with its compiler's path.

    `which` finds a tool in a folder, or on the owner's PATH if that is None.
    """

    def tool(name: str, variable: str, default: str) -> str | None:
        home = environ.get(variable) or default
        return which(name, environ.get("PATH")) or which(name, str(Path(home) / "bin"))

    sdk = environ.get("VULKAN_SDK") or environ.get("PREFIX") or "/usr"
    headers = any(
        exists(Path(home) / folder / "vulkan" / "vulkan.h")
        for home in (sdk, "/usr", "/usr/local")
        for folder in ("include", "Include")
    )
    found: dict[AcceleratorKind, str | None] = {
        "metal": which("clang", environ.get("PATH")) if system == "Darwin" else None,
        "cuda": tool("nvcc", "CUDA_PATH", "/usr/local/cuda"),
        "hip": tool("hipcc", "HIP_PATH", "/opt/rocm"),
        "vulkan": tool("glslc", "VULKAN_SDK", "/usr") if headers else None,
    }
    return {kind: path for kind, path in found.items() if path}


def package_tool(environ: Mapping[str, str], *, which: Which = _which) -> str | None:
    """The tool by which this system installs packages."""
    path = environ.get("PATH")
    return next((name for name in _PACKAGE_TOOLS if which(name, path)), None)
