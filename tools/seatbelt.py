"""macOS: a command under Seatbelt, by way of `sandbox-exec` and a profile of its own."""

from dataclasses import dataclass

from tools.bounds import Bounds, Launch, environment, limited

PROGRAM = "/usr/bin/sandbox-exec"

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/System",
    "/Library/Apple",
    "/Library/Developer",
    "/Applications/Xcode.app",
    "/opt/homebrew",
    "/private/var/db/timezone",
    "/private/var/db/dyld",
    "/private/var/select",
    "/private/etc/ssl",
    "/private/etc/hosts",
    "/private/etc/passwd",
    "/private/etc/protocols",
    "/private/etc/services",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Seatbelt:
    """Needs `sandbox-exec`, which every macOS has."""

    bash: str
    bounds: Bounds
    name: str = "Seatbelt"
    notes: tuple[str, ...] = ("Seatbelt's profile has not been tried on a Mac yet",)

    def launch(self, script: str, folder: str) -> Launch:
        inside = limited(self.bash, script, self.bounds.limits, count_processes=False)
        start = [self.bash, "-c", 'cd "$1" && shift && exec "$@"', "bash", folder]
        argv = [PROGRAM, "-p", profile(self.bounds), *start, *inside]
        return Launch(argv, environment(self.bounds, str(self.bounds.scratch)))


def profile(bounds: Bounds) -> str:
    """Everything is denied but what stands here."""
    readable = [*_SYSTEM, *map(str, (*bounds.readable, bounds.kept))]
    writable = [str(bounds.workspace), str(bounds.scratch)]
    lines = [
        "(version 1)",
        "(deny default)",
        "(allow process-fork process-exec)",
        "(allow signal (target same-sandbox))",
        "(allow sysctl-read)",
        "(allow file-read-metadata)",
        f"(allow file-read* {_beneath([*readable, *writable])})",
        f"(allow file-write* {_beneath(writable)})",
        f"(allow file-read* file-write-data {_named(_DEVICES)})",
    ]
    if bounds.network == "all":
        lines += ["(allow network*)", '(allow mach-lookup (global-name "com.apple.dnssd.service"))']
    return "\n".join(lines)


def _beneath(paths: list[str]) -> str:
    return " ".join(f"(subpath {_quoted(path)})" for path in paths)


def _named(paths: tuple[str, ...]) -> str:
    return " ".join(f"(literal {_quoted(path)})" for path in paths)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
