"""OpenCode's configuration: what the node serves, beside what the person has."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.clients.jsonc import parse
from api.clients.opencode import Endpoint, configuration, layered, merged
from swarm.engines.prompts import answer_tokens
from swarm.errors import ConfigurationError

STATE = Path("/home/me/.local/state/swarm")
SERVED = {"swarm": 16_384, "swarm-fast": 16_384}
ENDPOINT = Endpoint("http://127.0.0.1:1/v1", SERVED, "none", STATE)

PERSONS = """\
{
  // what I like
  "theme": "tokyonight",
  "model": "anthropic/best",
  "enabled_providers": ["anthropic"], // only these
  "provider": {
    "anthropic": { "options": { "timeout": 7 } },
    "swarm": {
      "options": { "baseURL": "http://old/v1", "timeout": 9 },
      "models": { "mine": { "name": "Mine" }, "swarm": { "limit": { "context": 1, "output": 1 } } },
    },
  },
}
"""


def serving(context: int) -> Endpoint:
    return replace(ENDPOINT, models=dict.fromkeys(SERVED, context))


def test_limits_are_what_is_served() -> None:
    models = configuration(ENDPOINT)["provider"]["swarm"]["models"]
    assert models["swarm"]["limit"] == {"context": 16_384, "output": 4_096}
    assert models["swarm-fast"]["limit"] == {"context": 16_384, "output": 4_096}


@pytest.mark.parametrize("context", [256, 4_096, 16_384, 32_768, 131_072, 1_000_000])
def test_an_answer_and_the_turns_that_are_kept_leave_most_of_the_context_free(context: int) -> None:
    written = configuration(serving(context))
    tail = written["compaction"]["preserve_recent_tokens"]
    assert answer_tokens(context) <= context // 4
    assert tail <= (context - answer_tokens(context)) / 4
    bytes_of_a_tool = written["tool_output"]["max_bytes"]
    assert bytes_of_a_tool / 3 <= (context - answer_tokens(context)) / 4


def test_the_vote_shows_its_progress_and_one_worker_has_none() -> None:
    models = configuration(ENDPOINT)["provider"]["swarm"]["models"]
    assert models["swarm"]["options"] == {"progress": True}
    assert "options" not in models["swarm-fast"]


def test_no_agent_of_the_node_works_for_a_client_with_tools() -> None:
    options = configuration(ENDPOINT)["provider"]["swarm"]["options"]
    assert options["headers"] == {"x-swarm-agent": "false"}


def test_an_empty_file_gets_the_whole_configuration() -> None:
    text, said = merged("", ENDPOINT)
    assert json.loads(text) == configuration(ENDPOINT)
    assert "added      model" in said


def test_what_the_person_has_stays() -> None:
    text, said = merged(PERSONS, ENDPOINT)
    assert "// what I like" in text
    assert "// only these" in text
    after = parse(text)
    assert after["theme"] == "tokyonight"
    assert after["model"] == "anthropic/best"
    assert after["provider"]["anthropic"] == {"options": {"timeout": 7}}
    swarm = after["provider"]["swarm"]
    assert swarm["options"] == {
        "baseURL": "http://127.0.0.1:1/v1",
        "timeout": 9,
        "apiKey": "none",
        "headers": {"x-swarm-agent": "false"},
    }
    assert swarm["models"]["mine"] == {"name": "Mine"}
    assert swarm["models"]["swarm"]["limit"] == {"context": 16_384, "output": 4_096}
    assert 'kept       model = "anthropic/best", not "swarm/swarm"' in said
    assert "changed    provider.swarm.options.baseURL" in said


def test_a_list_of_providers_lets_this_one_in() -> None:
    text, said = merged(PERSONS, ENDPOINT)
    assert parse(text)["enabled_providers"] == ["anthropic", "swarm"]
    assert "added      swarm to enabled_providers" in said
    _, said = merged('{"disabled_providers": ["swarm"]}', ENDPOINT)
    assert any(line.startswith("WARNING") for line in said)


BELOW = {
    "model": "anthropic/best",
    "compaction": {"reserved": 77},
    "enabled_providers": ["anthropic"],
    "provider": {"swarm": {"options": {"baseURL": "http://old/v1"}}},
}


def test_what_the_person_has_in_another_file_stays_too() -> None:
    text, said = merged("", ENDPOINT, BELOW)
    after = json.loads(text)
    assert "model" not in after
    assert "reserved" not in after["compaction"]
    assert after["provider"]["swarm"]["options"]["baseURL"] == "http://127.0.0.1:1/v1"
    assert 'kept       model = "anthropic/best" (in another file), not "swarm/swarm"' in said
    assert after["enabled_providers"] == ["anthropic", "swarm"], "or theirs would hide ours"
    assert "added      enabled_providers, another file's and swarm" in said
    again, said = merged(text, ENDPOINT, BELOW)
    assert again == text
    assert all(line.startswith("kept") for line in said)


def test_this_file_counts_before_another() -> None:
    mine = '{"model": "mine/x", "enabled_providers": ["swarm"], "disabled_providers": []}'
    text, said = merged(mine, ENDPOINT, {**BELOW, "disabled_providers": ["swarm"]})
    assert parse(text)["model"] == "mine/x"
    assert parse(text)["enabled_providers"] == ["swarm"]
    assert 'kept       model = "mine/x", not "swarm/swarm"' in said
    assert not any(line.startswith("WARNING") for line in said)
    _, said = merged("", ENDPOINT, {"disabled_providers": ["swarm"]})
    assert any(line.startswith("WARNING") for line in said)


def test_only_what_undoes_ours_is_warned_of() -> None:
    over = {"theme": "mine", "disabled_providers": ["swarm"], "small_model": "x/y"}
    same = {"model": "anthropic/best", "small_model": "swarm/swarm-fast", "provider": "none"}
    mine = '{"model": "anthropic/best"}'
    _, said = merged(mine, ENDPOINT, above=[("a", over), ("b", same), ("c", {})])
    assert [line for line in said if line.startswith("WARNING")] == [
        "WARNING    disabled_providers in a names swarm: take out what you want to use"
    ]


def test_a_model_of_its_own_of_an_agent_is_named() -> None:
    mine = {
        "agent": {"build": {"model": "openai/best"}, "plan": {"model": "swarm/swarm"}, "title": {}},
        "mode": {"ask": {"model": "swarm/gone"}},
        "command": 7,
    }
    below = {"agent": {"build": {"model": "a/b"}, "explore": {"model": "a/c"}}}
    over = {"command": {"test": {"model": "x/y"}}}
    text, said = merged(json.dumps(mine), ENDPOINT, below, [("over", over)])
    assert parse(text)["agent"] == mine["agent"]
    assert [line for line in said if line.startswith("kept")] == [
        'kept       agent.build.model = "openai/best", which this node does not serve',
        'kept       agent.explore.model = "a/c" (in another file), which this node does not serve',
        'kept       mode.ask.model = "swarm/gone", which this node does not serve',
        'kept       command.test.model = "x/y" (in over), which this node does not serve',
    ]


@pytest.mark.parametrize(
    ("swarm", "warned"),
    [
        ({"whitelist": ["foo", {}]}, "whitelist lacks swarm, swarm-fast: add"),
        ({"whitelist": ["swarm"]}, "whitelist lacks swarm-fast: add"),
        ({"blacklist": ["swarm", "foo"]}, "blacklist names swarm: take out"),
        ({"whitelist": ["swarm-fast", "swarm"], "blacklist": ["foo"]}, None),
        ({"whitelist": None, "blacklist": "swarm"}, None),
    ],
)
def test_a_list_that_hides_a_model_of_ours_is_warned_of(
    swarm: dict[str, object], warned: str | None
) -> None:
    more = {"provider": {"swarm": swarm}}
    for file, below, above, name in (
        (json.dumps(more), None, (), ""),
        ("", more, (), " in another file"),
        ("", None, [("over", more)], " in over"),
    ):
        _, said = merged(file, ENDPOINT, below, above)
        line = f"WARNING    provider.swarm.{(warned or '').replace(' ', f'{name} ', 1)}"
        expected = [f"{line} what you want to use"] if warned else []
        assert [line for line in said if line.startswith("WARNING")] == expected


def test_what_was_written_in_another_file_for_another_context_is_no_choice() -> None:
    text, said = merged("", serving(4_096), configuration(serving(32_768)))
    assert json.loads(text) == configuration(serving(4_096))
    assert not any(line.startswith("kept") for line in said)


def test_of_several_files_the_last_counts() -> None:
    texts = [
        '{"a": {"b": 1, "c": 1}, "d": [1]} // first',
        "",
        '{"a": {"c": {}}, "d": [2]}',
        '{"a": {}}',
    ]
    assert layered(texts) == {"a": {"b": 1, "c": {}}, "d": [2]}


def test_a_second_time_changes_nothing() -> None:
    text, _ = merged(PERSONS, ENDPOINT)
    again, said = merged(text, ENDPOINT)
    assert again == text
    assert all(line.startswith("kept") for line in said)


@pytest.mark.parametrize(
    ("there", "wanted", "kept"),
    [
        ("{env:MINE}", "{file:/k}", True),
        ("{file:/mine}", "{file:/k}", True),
        (f"{{file:{STATE}/mine}}", "{file:/k}", True),
        (f"{{file:{STATE}/keys/../../mine}}", "none", True),
        ("sk-typed", "none", True),
        ("none", "{file:/k}", False),
        ("sk-typed", "{file:/k}", False),
    ],
)
def test_a_persons_own_reference_to_a_key_stays(there: str, wanted: str, kept: bool) -> None:
    text = json.dumps({"provider": {"swarm": {"options": {"apiKey": there}}}})
    after, _ = merged(text, replace(ENDPOINT, key=wanted))
    assert parse(after)["provider"]["swarm"]["options"]["apiKey"] == (there if kept else wanted)


def test_a_typed_key_that_is_told_of_is_not_shown() -> None:
    typed = {"provider": {"swarm": {"options": {"apiKey": "sk-typed-by-hand"}}}}
    _, here = merged(json.dumps(typed), ENDPOINT)
    _, above = merged("", ENDPOINT, above=[(".opencode/opencode.json", typed)])
    for said in (here, above):
        (line,) = (line for line in said if "apiKey = " in line)
        assert "apiKey = a key" in line
        assert "sk-typed-by-hand" not in line


@pytest.mark.parametrize("wanted", ["none", f"{{file:{STATE}/keys/B-17615}}"])
@pytest.mark.parametrize("ours", ["api-key", "keys/A-17615"])
def test_a_reference_of_another_node_is_changed(ours: str, wanted: str) -> None:
    first, _ = merged("", replace(ENDPOINT, key=f"{{file:{STATE}/{ours}}}"))
    second, said = merged(first, replace(ENDPOINT, base_url="http://b/v1", key=wanted))
    options = parse(second)["provider"]["swarm"]["options"]
    assert (options["baseURL"], options["apiKey"]) == ("http://b/v1", wanted)
    assert "changed    provider.swarm.options.apiKey" in said


@pytest.mark.parametrize(("before", "now"), [(4_096, 32_768), (32_768, 4_096), (4_096, 1 << 20)])
def test_what_was_written_for_another_model_is_changed_with_it(before: int, now: int) -> None:
    first, _ = merged("", serving(before))
    second, said = merged(first, serving(now))
    assert parse(second) == configuration(serving(now))
    assert not any(line.startswith("kept") for line in said)


def test_a_model_that_is_served_no_more_is_named() -> None:
    first, _ = merged("", replace(ENDPOINT, models={**SERVED, "nano": 4_096}))
    text, said = merged(first, ENDPOINT)
    assert parse(text)["provider"]["swarm"]["models"]["nano"]["limit"]["context"] == 4_096
    line = "kept       provider.swarm.models.nano, which this node does not serve or has not loaded"
    assert line in said
    assert line in merged("", ENDPOINT, parse(first))[1]
    assert not any("swarm-fast" in line for line in said)


def test_the_smallest_context_has_room_too() -> None:
    """OpenCode has one compaction for all models."""
    small = configuration(serving(4_096))
    both = replace(ENDPOINT, models={**SERVED, "nano": 4_096})
    assert configuration(both)["compaction"] == small["compaction"]
    assert configuration(both)["tool_output"] == small["tool_output"]
    text, _ = merged("", both)
    for more in ({"nano": 8_192}, {}, {"swarm": 8_192}):
        served = replace(ENDPOINT, models={**SERVED, **more})
        text, _ = merged(text, served)
        assert parse(text)["compaction"] == configuration(served)["compaction"]


def test_what_the_person_has_chosen_outlives_another_model() -> None:
    text, _ = merged('{"compaction": {"reserved": 77}, "tool_output": {"max_bytes": 88}}', ENDPOINT)
    after = parse(merged(text, serving(4_096))[0])
    assert (after["compaction"]["reserved"], after["tool_output"]["max_bytes"]) == (77, 88)
    assert after["compaction"]["preserve_recent_tokens"] == 768


@pytest.mark.parametrize("context", ['"many"', "true", "-4", "null", "[]"])
def test_a_context_that_is_none_tells_nothing(context: str) -> None:
    text = (
        '{"compaction": {"reserved": 77}, "provider": {"swarm": {"models": '
        f'{{"swarm": {{"limit": {{"context": {context}}}}}}}}}}}}}'
    )
    assert parse(merged(text, ENDPOINT)[0])["compaction"]["reserved"] == 77


@pytest.mark.parametrize(
    "text", ["[]", '{"provider": 1}', '{"provider": {"swarm": []}}', '{"a": 1', '{"model": 1} x']
)
def test_a_file_that_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        merged(text, ENDPOINT)
