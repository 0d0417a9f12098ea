"""OpenCode's configuration for a node, put into what a person's file already says. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from api.clients.jsonc import append, parse, put
from api.keyring import key_file, others_keys
from swarm.engines.prompts import answer_tokens
from swarm.errors import ConfigurationError

PROVIDER = "swarm"
PLACEHOLDER = "none"
"""The key where none is asked for: clients insist on one."""

_DEFAULT, _SMALL = "swarm", "swarm-fast"
_NAMES = {_DEFAULT: "Local Swarm: the vote", _SMALL: "Local Swarm: one worker"}

_OWN_TOOLS = {"x-swarm-agent": "false"}
"""OpenCode runs tools itself; its request for a title has none, and is no work for an agent."""

_TAIL_SHARE = 4
_USUAL_TAIL_TOKENS = 15_000
_USUAL_TOOL_BYTES = 51_200
_BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A node as OpenCode shall know it. `models`: the context of each id, in tokens.

    `key` is text for the file: a placeholder, or a reference such as `{file:...}`. `state` is the
    absolute folder where our keys are: references into it are ours.
    """

    base_url: str
    models: Mapping[str, int]
    key: str
    state: Path


def configuration(endpoint: Endpoint) -> dict[str, Any]:
    """The whole configuration, as it is written into an empty file."""
    return {
        "$schema": "https://opencode.ai/config.json",
        "model": f"{PROVIDER}/{_DEFAULT}",
        "small_model": f"{PROVIDER}/{_SMALL}",
        "provider": {
            PROVIDER: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Local Swarm",
                "options": {
                    "baseURL": endpoint.base_url,
                    "apiKey": endpoint.key,
                    "headers": dict(_OWN_TOOLS),
                },
                "models": {name: _model(name, tokens) for name, tokens in endpoint.models.items()},
            }
        },
        **_room(min(endpoint.models.values())),
    }


def _model(name: str, context_tokens: int) -> dict[str, Any]:
    limit = {"context": context_tokens, "output": answer_tokens(context_tokens)}
    options = {} if name.endswith("-fast") else {"options": {"progress": True}}
    return {"name": _NAMES.get(name, name), "limit": limit, **options}


def _room(context_tokens: int) -> dict[str, Any]:
    """What keeps a small context from being filled at once. It holds for all models together.

    The turns that a compaction leaves whole, and the longest result of a tool: OpenCode's own
    values are 2,000 to 15,000 tokens and 51,200 bytes.
    """
    free = context_tokens - answer_tokens(context_tokens)
    tail = min(_USUAL_TAIL_TOKENS, free // _TAIL_SHARE)
    return {
        "compaction": {
            "auto": True,
            "prune": True,
            "reserved": answer_tokens(context_tokens),
            "preserve_recent_tokens": tail,
        },
        "tool_output": {
            "max_bytes": min(_USUAL_TOOL_BYTES, free // _TAIL_SHARE * _BYTES_PER_TOKEN)
        },
    }


def layered(texts: Iterable[str]) -> dict[str, Any]:
    """What several files say together: objects are merged, of all else the last counts."""
    whole: dict[str, Any] = {}
    for text in texts:
        whole = _over(whole, _object(parse(text) if text.strip() else {}) or {})
    return whole


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(below)
    for key, value in above.items():
        under, over = _object(whole.get(key)), _object(value)
        whole[key] = value if under is None or over is None else _over(under, over)
    return whole


Source: TypeAlias = tuple[str, Mapping[str, Any]]
"""What a person calls a place that OpenCode reads, and what it says."""


def merged(
    text: str,
    endpoint: Endpoint,
    below: Mapping[str, Any] | None = None,
    above: Sequence[Source] = (),
) -> tuple[str, list[str]]:
    """The text of a configuration with this endpoint in it, and what was done, in lines.

    Ours are the provider's address, key and limits, and what was written here for another context;
    everything else that the person has chosen (the model, compaction, names) stays, and is named.
    `below` is what the other files say that OpenCode reads before this one: a choice there counts
    as well. `above` is what OpenCode reads after it, in its order: what undoes ours there is named.
    Raises ConfigurationError for a broken text.
    """
    before = _object(parse(text) if text.strip() else {})
    if before is None:
        raise ConfigurationError("the file is not an object")
    below = below or {}
    text = text if text.strip() else "{}\n"
    said: list[str] = []
    for path, value in _leaves(configuration(endpoint)):
        here = _at(before, path)
        if here == value:
            continue
        name = ".".join(path)
        teller = below if here is None else before
        there = _at(teller, path)
        if there is None or there == value:
            said.append(f"added      {name}")
        elif _is_ours(path, there, endpoint) or any(
            there == _at(room, path) for room in _rooms_of(teller)
        ):
            said.append(f"{'added  ' if here is None else 'changed'}    {name}")
        else:
            whose = " (in another file)" if here is None else ""
            said.append(
                f"kept       {name} = {_told(path, there)}{whose}, not {_told(path, value)}"
            )
            continue
        text = put(text, path, value)
    said += _not_served(_over(below, before), endpoint)
    text, more = _let_in(text, before, below)
    after = parse(text)
    _check(after, before, below, endpoint)
    sources = [("another file", below), ("", after), *above]
    more += _elsewhere(sources, endpoint) + _overruled(after, endpoint, above)
    return text, said + more + _hidden(sources, endpoint)


def _not_served(whole: Mapping[str, Any], endpoint: Endpoint) -> list[str]:
    """The models of another day, or that the person has added."""
    path = ("provider", PROVIDER, "models")
    return [
        f"kept       {'.'.join((*path, name))}, which this node does not serve or has not loaded"
        for name in _object(_at(whole, path)) or {}
        if name not in endpoint.models
    ]


def _rooms_of(before: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What may have been written for a context that the file tells, by models that are gone too.

    While the person has not changed it, it is that for the context that was smallest then.
    """
    models = _object(_at(before, ("provider", PROVIDER, "models"))) or {}
    contexts = [_at(model, ("limit", "context")) for model in models.values()]
    return [_room(known) for known in contexts if type(known) is int and known > 0]


def _is_ours(path: Sequence[str], there: Any, endpoint: Endpoint) -> bool:
    """Whether a value of the file must be what the node says, whatever stood there."""
    if tuple(path[:2]) != ("provider", PROVIDER):
        return False
    if path[-1] == "apiKey":
        return _is_our_key(str(there), endpoint)
    return path[-1] in ("npm", "baseURL") or "limit" in path


def _is_our_key(there: str, endpoint: Endpoint) -> bool:
    """A key of another node must not go to this one; a person's own reference stays."""
    if there.startswith("{file:"):
        file = Path(there.removeprefix("{file:").removesuffix("}"))
        return file == key_file(endpoint.state) or file.parent == others_keys(endpoint.state)
    return endpoint.key != PLACEHOLDER and not there.startswith("{env:")


def _let_in(
    text: str, before: Mapping[str, Any], below: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """The provider must be on the person's list of providers, where there is one."""
    said: list[str] = []
    enabled = _over(below, before).get("enabled_providers")
    if isinstance(enabled, list) and PROVIDER not in enabled:
        if "enabled_providers" in before:
            text = append(text, ["enabled_providers"], PROVIDER)
            said.append(f"added      {PROVIDER} to enabled_providers")
        else:  # a list hides that of the files before it
            listed = [*cast("list[Any]", enabled), PROVIDER]
            text = put(text, ["enabled_providers"], listed)
            said.append(f"added      enabled_providers, another file's and {PROVIDER}")
    return text, said


def _overruled(here: Mapping[str, Any], endpoint: Endpoint, above: Sequence[Source]) -> list[str]:
    """What is said otherwise where OpenCode looks after this file: it hides what is here."""
    said: list[str] = []
    for path, value in _leaves(configuration(endpoint)):
        name, there = _last(above, path)
        if there is not None and there not in (value, _at(here, path)):
            said.append(_counts_over(name, path, there))
    name, enabled = _last(above, ["enabled_providers"])
    if isinstance(enabled, list) and PROVIDER not in enabled:
        said.append(f"{_counts_over(name, ['enabled_providers'], enabled)}: add {PROVIDER} there")
    return said


def _elsewhere(sources: Sequence[Source], endpoint: Endpoint) -> list[str]:
    """The agents, modes and commands with a model of their own that this node does not serve."""
    served = [f"{PROVIDER}/{name}" for name in endpoint.models]
    paths = [
        (kind, name, "model")
        for kind in ("agent", "mode", "command")
        for name in dict.fromkeys(
            name for _, whole in sources for name in _object(whole.get(kind)) or {}
        )
    ]
    told = [(path, *_last(sources, path)) for path in paths]
    return [
        f"kept       {'.'.join(path)} = {json.dumps(model)}{f' (in {source})' if source else ''}"
        ", which this node does not serve"
        for path, source, model in told
        if model is not None and model not in served
    ]


def _hidden(sources: Sequence[Source], endpoint: Endpoint) -> list[str]:
    """What the person's lists keep OpenCode from offering; of each list the last one counts."""
    swarm = ("provider", PROVIDER)
    lists: list[tuple[Sequence[str], Iterable[str]]] = [
        (["disabled_providers"], [PROVIDER]),
        ([*swarm, "whitelist"], endpoint.models),
        ([*swarm, "blacklist"], endpoint.models),
    ]
    said: list[str] = []
    for path, ours in lists:
        name, listed = _last(sources, path)
        wanted = path[-1] == "whitelist"
        wrong = [each for each in ours if isinstance(listed, list) and (each in listed) != wanted]
        if wrong:
            where = ".".join(path) + (f" in {name}" if name else "")
            what = "lacks {}: add" if wanted else "names {}: take out"
            said.append(f"WARNING    {where} {what.format(', '.join(wrong))} what you want to use")
    return said


def _counts_over(name: str, path: Sequence[str], there: Any) -> str:
    value = _told(path, there)
    return f"WARNING    {name} says {'.'.join(path)} = {value}, which counts over this file"


def _told(path: Sequence[str], value: Any) -> str:
    """The value as it may be seen: of a key only a reference."""
    secret = path[-1] == "apiKey" and not str(value).startswith(("{env:", "{file:"))
    return "a key" if secret else json.dumps(value)


def _last(sources: Sequence[Source], path: Sequence[str]) -> tuple[str, Any]:
    """The last that says something of this, and what; "" and None if nobody does."""
    told = ((name, _at(whole, path)) for name, whole in reversed(sources))
    return next(((name, there) for name, there in told if there is not None), ("", None))


def _check(
    after: Mapping[str, Any],
    before: Mapping[str, Any],
    below: Mapping[str, Any],
    endpoint: Endpoint,
) -> None:
    """What was written holds the endpoint and all that was there. Raises ConfigurationError."""
    whole = _over(below, after)
    complete = all(_at(whole, path) is not None for path, _ in _leaves(configuration(endpoint)))
    options = after["provider"][PROVIDER]["options"]
    complete = complete and options["baseURL"] == endpoint.base_url
    kept = all(_at(after, path) is not None for path, value in _leaves(before) if value is not None)
    if not (complete and kept):
        raise ConfigurationError("the file cannot be changed safely; nothing was written")


def _leaves(value: Any, path: Sequence[str] = ()) -> list[tuple[Sequence[str], Any]]:
    """Every value that isn't an object, or an empty one, with its path."""
    members = _object(value)
    if not members:
        return [(path, value)]
    return [leaf for key, inner in members.items() for leaf in _leaves(inner, (*path, key))]


def _at(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        members = _object(value)
        value = None if members is None else members.get(step)
    return value


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
