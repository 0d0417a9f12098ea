"""The command line: every flag with its words of help. Knows no values but text."""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from swarm.errors import ConfigurationError

KEYS_VARIABLE = "API_KEYS"
TOML_FILE = "swarm.toml"
ENVIRONMENT_PREFIX = "SWARM_"

LAN = "lan"
"""Stands for this machine's address on the LAN."""

_INSTEAD = {
    "--instances": "--workers",
    "--num-workers": "--workers",
    "--n-workers": "--workers",
    "--agents": "--workers",
    "--voters": "--workers",
    "--parallel": "--workers",
    "--n-gpu-layers": "--gpu-layers",
    "--ngl": "--gpu-layers",
    "-ngl": "--gpu-layers",
    "--ctx-size": "--ctx",
    "--context": "--ctx",
    "--context-size": "--ctx",
    "--n-ctx": "--ctx",
    "--n-threads": "--threads",
    "--cache-type-k": "--kv",
    "--base-url": "--engine",
    "--upstream": "--engine",
    "--model-path": "--model",
    "--models-dir": "--models",
    "--model-dir": "--models",
    "--api-port": "--port",
    "--api-key": "--key",
    "--bind": "--host",
    "--federated": "--federation",
    "--verbose": "--debug",
    "--silent": "--quiet",
}
"""Flags of such systems that people are used to, with ours of the same meaning."""

_ENDING = {
    "command": "COMMAND",
    "detect": "--detect",
    "explain": "--explain",
    "opencode": "--opencode",
    "diagnose": "--diagnose",
    "leave": "--leave",
    "new_code": "--new-code",
    "show_code": "--show-code",
}
"""What is done instead of starting a node, one of them at a time."""

_ASKING = _ENDING.keys() - {"detect", "explain"}
_OF_FEDERATION = {"join": "--join", "open": "--open", "peer": "--peer"}
_OF_TOOLS = {
    "workspace": "--workspace",
    "allow_network": "--allow-network",
    "sandbox": "--no-sandbox",
}


def parse_flags(arguments: Sequence[str]) -> dict[str, Any]:
    """The flags that were given, by the names of settings. Raises ConfigurationError."""
    flags = vars(_parser().parse_args(arguments))
    asked = [name for name in _ENDING if name in flags]
    if len(asked) > 1 and asked != ["new_code", "show_code"]:  # which is: make one and show it
        told = {**_ENDING, "command": " ".join(flags.get("command", [])[:1])}
        raise ConfigurationError(f"{told[asked[0]]} and {told[asked[1]]} exclude each other")
    return flags


def check_use(flags: Mapping[str, Any], *, federation: bool, tools: bool) -> None:
    """Raise ConfigurationError for a flag that says something of what the node is not to have.

    Beside a node that is started, who names a key means one of its own.
    """
    if "key" in flags and not flags.keys() & _ASKING:
        raise ConfigurationError(
            "--key is for commands that ask a node; the keys of this node stand in [keys] of "
            f"{TOML_FILE} or in {KEYS_VARIABLE}"
        )
    idle = [told for name, told in _OF_FEDERATION.items() if name in flags and not federation]
    if idle:
        raise ConfigurationError(
            f"{idle[0]} needs the federation: no --no-federation, nor federation = false"
        )
    idle = [told for name, told in _OF_TOOLS.items() if name in flags and not tools]
    if idle:
        raise ConfigurationError(f"{idle[0]} goes with --tool-server or --agent")


def named_by_owner(setting: str) -> str:
    """How an owner knows a setting: by its flag, such as `--port`, where it has one."""
    flag = f"--{setting.replace('_', '-')}"
    return flag if flag in _parser().options else setting


def no_setting(name: str) -> str:
    """What to say of a setting that there is not, if it is a flag's name with the one it sets."""
    flag = _ours(f"--{name.replace('_', '-')}")
    meant = _parser().setting_of(flag)
    said = f"there is no setting {name!r}"
    if meant is None:
        return said
    return f"{said}; did you mean {meant}{' = false' if flag.startswith('--no-') else ''}?"


def _ours(argument: str) -> str:
    """The same argument with our name of the flag."""
    flag, equals, value = argument.partition("=")
    return _INSTEAD.get(flag.replace("_", "-"), flag) + equals + value


class _Parser(argparse.ArgumentParser):
    """An argument parser that knows what people type instead of our flags."""

    @property
    def options(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]

    def setting_of(self, option: str) -> str | None:
        """The setting that a flag of this name sets, if there is one."""
        named = (action for action in self._actions if option in action.option_strings)
        return next((action.dest for action in named if action.dest != "help"), None)

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}\n{self.prog} --help lists the flags")

    def print_help(self, file: Any = None) -> None:
        """As usual, but what keeps it from being written is raised."""
        print(self.format_help(), end="", file=file)

    def parse_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Sequence[str]
    ) -> argparse.Namespace:
        known, unknown = self.parse_known_args([_ours(argument) for argument in args])
        if unknown:
            self._refuse(unknown)
        return known

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        first = unknown[0].split("=", 1)[0]
        if instead := self._similar(first):
            self.error(f"there is no {first}; did you mean {instead}?")
        self.error(f"unrecognized arguments: {' '.join(unknown)}")

    def _similar(self, flag: str) -> str | None:
        matches = difflib.get_close_matches(flag, self.options, n=3, cutoff=0.75)
        # Letters are swapped more often than left out.
        return min(matches, key=lambda match: abs(len(match) - len(flag)), default=None)


def _parser() -> _Parser:
    parser = _Parser(
        prog="python main.py",
        usage="python main.py [FLAGS] [COMMAND]",
        description="Serve a local model behind an OpenAI-compatible endpoint.",
        epilog="Every setting can also stand in the environment "
        f"({ENVIRONMENT_PREFIX}TOOL_PORT=...) or in {TOML_FILE} (tool_port = ...), with _ for -; "
        "what a --no- flag switches off is federation, sandbox or flash_attn = false. Flags win "
        "over the environment, and that over the file.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "command",
        nargs="*",
        metavar="COMMAND",
        help="said to the node that runs here: `approve PIN [NAME]`, `remove PEER`",
    )
    parser.add_argument(
        "--auto", action="store_true", help="never ask; this is also so without a terminal"
    )
    looking = parser.add_argument_group("only look")
    looking.add_argument("--detect", action="store_true", help="print this machine's hardware")
    looking.add_argument(
        "--json", dest="as_json", action="store_true", help="with --detect: for a program"
    )
    looking.add_argument(
        "--explain", action="store_true", help="say how the models would run, and why"
    )
    _add_model_flags(parser.add_argument_group("what to serve"))
    doors = parser.add_argument_group("where")
    doors.add_argument(
        "--host",
        metavar="ADDR",
        help="address to listen on (default 127.0.0.1); `lan`: its own on the LAN",
    )
    doors.add_argument("--port", metavar="N", help="port to listen on (default 17615)")
    doors.add_argument(
        "--keyless", action="store_true", help="let the whole network in without a key"
    )
    _add_client_flags(parser.add_argument_group("clients"))
    _add_peer_flags(parser.add_argument_group("other machines"))
    _add_tool_flags(parser.add_argument_group("tools for models"))
    output = parser.add_argument_group("what to say")
    output.add_argument("--debug", action="store_true", help="log more, and speeds per request")
    output.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    return parser


def _add_model_flags(group: Any) -> None:
    group.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="what to serve: a GGUF file, an MLX folder, an id such as qwen2.5-coder:7b:4bit "
        "(downloaded where it is not here), hf:owner/repository/file (for MLX without a file); "
        "repeat it for several, the first is the default, others are loaded on request",
    )
    group.add_argument(
        "--models",
        metavar="DIR",
        help="folder with GGUF files and MLX folders to choose from (default models/)",
    )
    group.add_argument(
        "--engine",
        metavar="URL",
        help="an OpenAI-compatible server that runs the model, such as http://host:port/v1 "
        f"(its key: {ENVIRONMENT_PREFIX}ENGINE_KEY)",
    )
    group.add_argument("--ctx", metavar="N", help="context of one conversation, in tokens")
    group.add_argument(
        "--gpu-layers",
        metavar="N",
        help="layers on accelerators; -1 is all (default: what fits)",
    )
    group.add_argument(
        "--workers",
        metavar="N",
        help="workers that vote on an answer (default 3, or 5 on larger machines)",
    )
    group.add_argument("--threads", metavar="N", help="processor threads of the engine")
    group.add_argument(
        "--kv", metavar="TYPE", help="type of the key-value cache: f16 (default), q8_0, q4_0, ..."
    )
    group.add_argument(
        "--idle-unload-s",
        metavar="N",
        help="unload a model that nobody has used for N seconds (default: never)",
    )
    group.add_argument(
        "--memory-limit-gib",
        metavar="N",
        help="memory that all models take at most, of the machine and of each accelerator",
    )
    group.add_argument(
        "--flash-attn",
        action=argparse.BooleanOptionalAction,
        help="use flash attention (default: yes)",
    )


def _add_client_flags(group: Any) -> None:
    group.add_argument(
        "--opencode",
        nargs="?",
        const=".",
        metavar="DIR",
        help="write OpenCode's configuration for the node at --host and --port into DIR "
        "(default: here) or, with `global`, for all projects, and end",
    )
    form = group.add_mutually_exclusive_group()
    form.add_argument(
        "--prompt",
        metavar="FORM",
        help="how models read long tools and instructions: full, compact, or auto (default), "
        "which is compact where the context is small",
    )
    form.add_argument(
        "--use-opencode-tools",
        dest="prompt",
        action="store_const",
        const="full",
        help="the same as --prompt full",
    )
    group.add_argument(
        "--key",
        metavar="KEY",
        help="with --opencode, COMMAND and others that ask a node: the key of that node",
    )


def _add_tool_flags(group: Any) -> None:
    group.add_argument(
        "--agent",
        action="store_true",
        help="for clients without tools of their own (curl, a chat window): work with tools here "
        "until the answer",
    )
    group.add_argument(
        "--tool-server", action="store_true", help="run the tools of models on this machine"
    )
    group.add_argument(
        "--tool-host",
        nargs="?",
        const=LAN,
        metavar="URL",
        help="use the tool server there; with --tool-server, where it listens (default 127.0.0.1). "
        "Bare: this machine's LAN address",
    )
    group.add_argument("--tool-port", metavar="N", help="its port (default 17616)")
    group.add_argument(
        "--workspace",
        metavar="DIR",
        help="the folder that tools stay in (default: the project that you start in, but never "
        "this program's own)",
    )
    group.add_argument(
        "--allow-network",
        nargs="?",
        const="all",
        metavar="WHOM",
        help="all (default): commands and webfetch use the network; packages: commands reach the "
        "listed hosts of package managers only",
    )
    group.add_argument(
        "--no-sandbox",
        dest="sandbox",
        action="store_false",
        help="let commands run with all rights of this user",
    )


def _add_peer_flags(group: Any) -> None:
    either = group.add_mutually_exclusive_group()
    either.add_argument("--federation", action="store_true", help="look for peers (on already)")
    either.add_argument(
        "--no-federation", dest="federation", action="store_false", help="stay alone"
    )
    group.add_argument("--join", metavar="CODE", help="join the federation of this code")
    group.add_argument("--open", action="store_true", help="trust everybody on the network")
    group.add_argument(
        "--peer",
        action="append",
        metavar="HOST[:PORT]",
        help="a peer where multicast does not reach; repeat it for several",
    )
    group.add_argument("--peer-port", metavar="N", help="port for peers (default 17617)")
    group.add_argument(
        "--peer-interface",
        action="append",
        metavar="NAME",
        help="listen for peers on this interface, a VPN's for instance, instead of the LAN's",
    )
    group.add_argument(
        "--state", metavar="DIR", help="where this node keeps its key and federation"
    )
    group.add_argument(
        "--show-code", action="store_true", help="print the code for --join, and end"
    )
    group.add_argument("--new-code", action="store_true", help="make a new code, and end")
    group.add_argument("--leave", action="store_true", help="leave the federation, and end")
    group.add_argument(
        "--diagnose", action="store_true", help="say how the federation stands, and end"
    )
