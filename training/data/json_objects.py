"""JSON objects to a given small schema, from a text or from values in the request."""

from __future__ import annotations

import json
from typing import Any

from training.data.facts import KINDS, Record, record
from training.data.source import Conversation, Source
from training.render import as_json

FROM_SCHEMA = (
    "Answer with a JSON object that fits this schema:\n{s}\n\n{t}", "{t}\n\nReply with JSON for this schema:\n{s}",
    "Extract the data as JSON. Schema: {s}\nText: {t}", "Fill this JSON schema from the text.\nSchema:\n{s}\nText:\n{t}",
    "Schema:\n{s}\n\n{t}\n\nRespond only with a JSON object.", "Return JSON that matches {s}\n{t}",
    "Turn this into JSON ({s}): {t}", "{t}\nGive me that as JSON following this schema: {s}",
    "JSON schema: {s}\nInput: {t}\nOutput the object.", "Use the schema {s} and write the JSON object for: {t}",
    "Read the text and answer in JSON.\n{t}\nSchema: {s}", "Write a JSON object by this schema: {s}\n{t}",
)
FROM_KEYS = (
    "Write a JSON object with the keys {k}: {t}", "{t}\nReply as JSON with the keys {k}.", "Give me JSON with {k} for: {t}",
    "Extract {k} as a JSON object: {t}", "Return a JSON object with {k}.\n{t}", "From this text make JSON with {k}: {t}",
    "{t} Answer only with a JSON object with the fields {k}.", "JSON with the fields {k}, please: {t}",
    "Make a JSON object ({k}) from: {t}", "As JSON with {k}: {t}", "Output JSON. Keys: {k}. Text: {t}",
    "Put this into JSON with the keys {k}: {t}",
)


def schema_of(source: Source, kinds: dict[str, str]) -> str:
    """A JSON schema as text, on one line or indented."""
    properties = {key: {"type": kind} for key, kind in kinds.items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if source.chance(0.7):
        schema["required"] = list(kinds)
    if source.chance(0.3):
        schema["additionalProperties"] = False
    return json.dumps(schema, indent=2 if source.chance(0.25) else None)


def described(source: Source, kinds: dict[str, str]) -> str:
    """The same as a list of keys, with or without their types."""
    form = source.one(("{k} ({t})", "{k}: {t}", "{k}", '"{k}"', "{k} ({t})"))
    parts = [form.format(k=key, t=kind) for key, kind in kinds.items()]
    return ", ".join(parts) if source.chance(0.5) else ", ".join(parts[:-1]) + (" and " if parts[1:] else "") + parts[-1]


def asked(source: Source, text: str, kinds: dict[str, str]) -> str:
    if source.chance(0.5):
        return source.phrase(FROM_SCHEMA).format(s=schema_of(source, kinds), t=text)
    return source.phrase(FROM_KEYS).format(k=described(source, kinds), t=text)


def of_record(source: Source, item: Record) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A text about one thing, the object and the kinds of its keys."""
    keys = list(item.values)
    text = " ".join(item.state(source, key) for key in source.shuffled(keys))
    wanted = source.some(keys, source.between(1, len(keys)))
    kinds = {item.label: "string", **{key: item.table[key].kind for key in wanted}}
    if source.chance(0.3):
        kinds = {key: kinds[key] for key in source.shuffled(list(kinds))}
    whole = {item.label: item.name, **item.values}
    return text, {key: whole[key] for key in kinds}, kinds


def of_values(source: Source) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Fresh keys with values that the request gives by name."""
    keys = list(dict.fromkeys(source.word() for _ in range(source.between(1, 5))))
    values: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for key in keys:
        roll = source.rng.random()
        if roll < 0.6:
            values[key], kinds[key] = source.one((source.word, source.name, source.city, source.value))(), "string"
        elif roll < 0.85:
            values[key], kinds[key] = int(source.digits(1, 5)), "integer"
        elif roll < 0.93:
            values[key], kinds[key] = source.chance(0.5), "boolean"
        else:
            values[key], kinds[key] = [source.word() for _ in range(source.between(1, 3))], "array"
    mark = source.one((" is ", " = ", ": ", " is "))
    parts = [f"{key}{mark}{_plain(value)}" for key, value in values.items()]
    return source.one((", ", "; ", "\n")).join(source.shuffled(parts)), values, kinds


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " and ".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def objects(source: Source) -> Conversation:
    """One to three objects in one conversation."""
    messages = []
    for _ in range(source.between(1, 3)):
        text, value, kinds = of_record(source, record(source)) if source.chance(0.55) else of_values(source)
        if source.chance(0.3) and not messages:
            form = source.one(("Answer with a JSON object that fits this schema: {s}", "Respond with JSON only. Schema: {s}",
                               "You must answer with one JSON object of this schema:\n{s}"))
            messages.append({"role": "system", "content": form.format(s=schema_of(source, kinds))})
            messages += [{"role": "user", "content": text}, {"role": "assistant", "content": as_json(value)}]
            break
        messages.append({"role": "user", "content": asked(source, text, kinds)})
        messages.append({"role": "assistant", "content": as_json(value)})
    return Conversation("json", messages)


RECORD_KINDS = KINDS
