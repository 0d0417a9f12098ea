"""Builds llama.cpp once, for the binding and for its own server, from the locked source.

Runs in the virtual environment: `python -m scripts.build_engine [--engine KIND]`. A second run
with the same choice does nothing. The stamp `engine.json` beside the libraries says what was
built and which instruction sets it needs.
"""

import argparse
import ctypes.util
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from hardware.detect import detect
from hardware.snapshot import Snapshot
from hardware.toolkits import find_toolkits
from scripts.engine_choice import (
    ANDROID_TOOLS,
    EngineChoice,
    Facts,
    ImpossibleEngine,
    choose,
    cmake_command,
    facts_of,
)

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOCK = ROOT / "requirements" / "engine.lock"
PATCHES = sorted((ROOT / "scripts" / "patches").glob("*.patch"))
LLAMA = BUILD / "llama"
PACKAGE = Path(sysconfig.get_path("platlib")) / "llama_cpp"
STAMP = PACKAGE / "lib" / "engine.json"
LOG = BUILD / "engine.log"
TARGETS = ("llama", "llama-server", "ggml-rpc-server")

_OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "ON",
    # The libraries find each other wherever they are copied, and a GPU's where they were found.
    "CMAKE_INSTALL_RPATH": "@loader_path" if sys.platform == "darwin" else "$ORIGIN",
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
    "CMAKE_INSTALL_RPATH_USE_LINK_PATH": "ON",
    # Or llama.cpp takes our own commit for its own, and every commit of ours rebuilds it.
    "LLAMA_BUILD_COMMIT": "unknown",
    "LLAMA_BUILD_NUMBER": "0",
    "LLAMA_ALL_WARNINGS": "OFF",
    "LLAMA_BUILD_COMMON": "ON",
    "LLAMA_BUILD_TOOLS": "ON",
    "LLAMA_BUILD_SERVER": "ON",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_OPENSSL": "OFF",
    # For `llama-server --rpc` alone: one build makes both, and an engine here never calls it.
    "GGML_RPC": "ON",
    "GGML_RPC_RDMA": "OFF",
}


class BuildFailed(Exception):
    """A step of the build did not succeed; the message says which and where its log is."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto", help="auto, cpu, cuda, metal, hip or vulkan")
    wanted = parser.parse_args().engine
    try:
        facts = gather(detect(os.environ))
        build(facts, wanted)
    except (ImpossibleEngine, BuildFailed) as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    return 0


def build(facts: Facts, wanted: str) -> None:
    """Make the engine for these facts stand, if it does not yet; raises BuildFailed."""
    choice = choose(facts, wanted)
    if _is_built(choice):
        print(f"engine: {choice.kind} (because {choice.reason}), already built")
        return
    started = time.monotonic()
    source = unpack(fetch())
    cmake = cmake_command(facts.system, sys.executable, _tools())
    choice = _configure_or_fall_back(source, choice, facts, cmake, may_fall_back=wanted == "auto")
    print(f"engine: {choice.kind} (because {choice.reason})")
    print("engine: building llama.cpp, about 5 minutes on two cores", flush=True)
    _run([*cmake, "--build", str(LLAMA), "--config", "Release", "--target", *TARGETS])
    _install_binding(source)
    _install_libraries(choice)
    print(f"engine: built in {time.monotonic() - started:.0f} s")


def gather(snapshot: Snapshot) -> Facts:
    """The facts about GPUs and toolkits that a choice rests on."""
    toolkits = find_toolkits(os.environ, platform.system())
    drivers = any(Path("/dev/dri").glob("renderD*")) or ctypes.util.find_library("vulkan-1")
    return facts_of(snapshot, toolkits, vulkan_driver=bool(drivers))


def fetch() -> Path:
    """The locked source distribution, downloaded by its hash if it is not here yet."""
    version, digest = _locked()
    archive = BUILD / f"llama_cpp_python-{version}.tar.gz"
    if not archive.exists() or _sha256(archive) != digest:
        BUILD.mkdir(exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(BUILD),
        ]
        _run(
            [*pip, "--no-binary=:all:", "--no-build-isolation", "--require-hashes", "-r", str(LOCK)]
        )
    return archive


def unpack(archive: Path) -> Path:
    """The folder with the archive's content and our patches to llama.cpp."""
    folder = archive.with_name(archive.name.removesuffix(".tar.gz"))
    mark = folder / "patches.json"
    texts = json.dumps([patch.read_text("utf-8") for patch in PATCHES])
    if not mark.exists() or mark.read_text("utf-8") != texts:
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(BUILD, filter="data")
        for patch in PATCHES:
            _run(["git", "-C", str(folder / "vendor" / "llama.cpp"), "apply", str(patch)])
        mark.write_text(texts, "utf-8")
    return folder


def _locked() -> tuple[str, str]:
    match = re.search(r"==(\S+) \\\s+--hash=sha256:([0-9a-f]{64})", LOCK.read_text("utf-8"))
    if match is None:
        raise BuildFailed(f"{LOCK} has no version with a hash")
    return match[1], match[2]


def _configure_or_fall_back(
    source: Path, choice: EngineChoice, facts: Facts, cmake: Sequence[str], *, may_fall_back: bool
) -> EngineChoice:
    try:
        _configure(source, choice, cmake)
    except BuildFailed as error:
        if choice.kind == "cpu" or not may_fall_back:
            raise
        print(f"engine: {choice.kind} cannot be configured, taking cpu instead\n{error}")
        failed = f"there is {choice.kind}, but it could not be configured: {LOG} says why"
        choice = replace(choose(facts, "cpu"), reason=failed)
        _configure(source, choice, cmake)
    return choice


def _configure(source: Path, choice: EngineChoice, cmake: Sequence[str]) -> None:
    LLAMA.mkdir(exist_ok=True)
    generator = [] if sys.platform == "win32" else ["-G", "Ninja"]
    options = [f"-D{name}={value}" for name, value in (_OPTIONS | dict(choice.options)).items()]
    vendored = source / "vendor" / "llama.cpp"
    _run([*cmake, "--fresh", *generator, "-S", str(vendored), "-B", str(LLAMA), *options])


def _tools() -> dict[str, str]:
    """The build tools that the system itself has, which count where there are no wheels."""
    found = {tool: shutil.which(tool) for tool in ANDROID_TOOLS}
    return {tool: path for tool, path in found.items() if path}


def _install_binding(source: Path) -> None:
    """The binding alone: its libraries are the ones that were just built."""
    if any(PACKAGE.parent.glob(f"llama_cpp_python-{_locked()[0]}.dist-info")):
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall"]
    only_python = {"CMAKE_ARGS": "-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF"}
    _run([*pip, "--no-build-isolation", str(source)], only_python)


def _install_libraries(choice: EngineChoice) -> None:
    folder, fresh = STAMP.parent, PACKAGE / "lib.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for library in _built_libraries():
        shutil.copy2(library, fresh / library.name, follow_symlinks=False)
    stamp = {"key": key_of(choice), "llama_cpp_python": _locked()[0], **asdict(choice)}
    (fresh / STAMP.name).write_text(json.dumps(stamp, indent=1) + "\n", "utf-8")
    # Swapped, not written over: a running engine keeps the old files.
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    _run([sys.executable, "-c", "import llama_cpp; llama_cpp.llama_backend_init()"])


def _built_libraries() -> list[Path]:
    files = [*(LLAMA / "bin").glob("*"), *(LLAMA / "bin" / "Release").glob("*")]
    return [
        file
        for file in files
        if re.match(r"(lib)?(llama|mtmd|ggml[-\w]*)\.(so|dylib|dll|\d)", file.name)
    ]


def _is_built(choice: EngineChoice) -> bool:
    if not STAMP.exists() or not any(LLAMA.glob("bin/**/llama-server*")):
        return False
    try:
        return bool(json.loads(STAMP.read_text("utf-8"))["key"] == key_of(choice))
    except (ValueError, LookupError, TypeError):  # it was cut while it was written
        return False


def key_of(choice: EngineChoice) -> str:
    """Changes with everything that changes the built libraries."""
    options = sorted((_OPTIONS | dict(choice.options)).items())
    patches = [patch.read_text("utf-8") for patch in PATCHES]
    parts: list[object] = [LOCK.read_text("utf-8"), choice.kind, options, patches]
    if choice.options.get("GGML_NATIVE") == "ON":  # elsewhere the options name them
        parts.append(choice.required_features)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(command: Sequence[str], extra_environ: Mapping[str, str] | None = None) -> None:
    """Run a step with its output in the log and its progress here; raises BuildFailed."""
    # Tools that came as wheels (ninja) lie beside this Python.
    search = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environ = {**os.environ, "PATH": search, **(extra_environ or {})}
    BUILD.mkdir(exist_ok=True)
    lines: list[str] = []
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",  # can be printed on any console
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            lines.append(line)
            _show_progress(line)
    if process.returncode != 0:
        tail = "".join(lines[-30:])
        raise BuildFailed(f"{' '.join(command[:4])} ... failed; all of it is in {LOG}\n{tail}")


def _show_progress(line: str) -> None:
    match = re.match(r"\[(\d+)/(\d+)\]", line)
    if match and int(match[1]) % max(1, int(match[2]) // 8) == 0:
        print(f"engine: {match[1]} of {match[2]} steps", flush=True)


if __name__ == "__main__":
    sys.exit(main())
