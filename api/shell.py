"""Lines for a person to copy, in the words of the shell that their system comes with. Pure.

`platform` is a snapshot's, or the name of the system alone: on Windows it is PowerShell.
"""

import json
import re
import shlex
from pathlib import Path

_ASK = json.dumps({"model": "swarm", "messages": [{"role": "user", "content": "Who are you?"}]})

_ODD_BYTES = re.compile("([\udc80-\udcff]+)")
"""Bytes of a path that are no UTF-8, as Python has them."""


def environment_line(platform: str, url: str, key: str | Path) -> str:
    """What a shell must know for OpenAI's SDKs and what is built on them.

    A key in a file is read from there when the line is typed, and not shown.
    """
    if _is_powershell(platform):
        told = f'"{key}"' if isinstance(key, str) else f"(Get-Content -LiteralPath {_literal(key)})"
        words = {"OPENAI_BASE_URL": f'"{url}"', "OPENAI_API_BASE": f'"{url}"'}
        return "; ".join(
            f"$env:{name}={value}" for name, value in {**words, "OPENAI_API_KEY": told}.items()
        )
    told = key if isinstance(key, str) else f'"$(cat {quoted(platform, str(key))})"'
    where = quoted(platform, url)  # zsh takes the brackets of an IPv6 address for a pattern
    return f"export OPENAI_BASE_URL={where} OPENAI_API_BASE={where} OPENAI_API_KEY={told}"


def asking_line(platform: str, url: str, *, keyed: bool) -> str:
    """A first question by curl; `keyed` shows the key of `environment_line`."""
    where = f"{url}/chat/completions"
    if _is_powershell(platform):
        # `curl` alone is another program there, and double quotes inside of an argument reach
        # curl.exe in one version of PowerShell only; what comes by a pipe is as it stands.
        header = ' -H "Authorization: Bearer $env:OPENAI_API_KEY"' if keyed else ""
        told = f'curl.exe {where} -H "Content-Type: application/json"{header} -d "@-"'
        return f"'{_ASK}' | {told}"
    header = ' \\\n               -H "Authorization: Bearer $OPENAI_API_KEY"' if keyed else ""
    told = f"curl {quoted(platform, where)} -H 'Content-Type: application/json'{header}"
    return f"{told} \\\n               -d '{_ASK}'"


def quoted(platform: str, word: str) -> str:
    """A word of a command, as the shell reads it without a look at what is in it."""
    if _is_powershell(platform):
        return _literal(word)
    if _ODD_BYTES.search(word) is None:
        return shlex.quote(word)
    told = (
        _printed(each) if _ODD_BYTES.match(each) else shlex.quote(each)
        for each in _ODD_BYTES.split(word)
        if each
    )
    return "".join(told)


def _printed(odd: str) -> str:
    """These bytes as any shell makes them: few know another way to write one."""
    told = "".join(f"\\{ord(each) & 0xFF:03o}" for each in odd)
    return f"\"$(printf '{told}')\""


def _is_powershell(platform: str) -> bool:
    return platform.partition(" ")[0].lower() == "windows"


def _literal(word: str | Path) -> str:
    """A word that PowerShell reads without a look at what is in it."""
    return "'" + str(word).replace("'", "''") + "'"
