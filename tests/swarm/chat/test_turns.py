"""Conversations put in other ways, for templates that do not know all of one."""

from typing import Any

from swarm.chat.turns import (
    TurnDict,
    apart_from_results,
    as_turns,
    describe_tools,
    joined,
    later_system_as_user,
    one_system,
    plain_turns,
    system_as_user,
    with_text_arguments,
    with_text_before_calls,
    with_thinking,
)
from swarm.types import Message, ToolCall


def turn(role: str, content: str = "", **more: Any) -> TurnDict:
    return {"role": role, "content": content, **more}


def calls(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "function": {"name": name, "arguments": {"a": "ä"}}} for name in names]


def test_a_turn_has_the_keys_that_its_message_has_and_no_others() -> None:
    assert as_turns([Message("developer", "Be brief."), Message("user", None, name="Ada")]) == [
        turn("system", "Be brief."),
        turn("user", name="Ada"),
    ]
    called = Message("assistant", None, "hm", (ToolCall("c1", "read", '{"a": 1}'),))
    [made, result] = as_turns([called, Message("function", "text", tool_call_id="c1", name="read")])
    assert set(made) == {"role", "content", "reasoning_content", "tool_calls"}
    assert made["tool_calls"][0]["function"] == {"name": "read", "arguments": {"a": 1}}
    assert (result["role"], result["name"]) == ("tool", "read")
    assert result["tool_call_id"] == made["tool_calls"][0]["id"]


def test_neighbours_of_one_role_become_one_but_calls_and_results_stay_apart() -> None:
    called = turn("assistant", "so", tool_calls=calls("a"))
    results = [turn("tool", "1"), turn("tool", "2")]
    told = [turn("user", "a"), turn("user"), turn("user", "b"), called, turn("assistant", "c")]
    assert joined([*told, *results, turn("assistant", "d")]) == [
        turn("user", "a\n\nb"),
        called,
        turn("assistant", "c"),
        *results,
        turn("assistant", "d"),
    ]
    assert joined([turn("assistant", "I look."), called]) == [
        turn("assistant", "I look.\n\nso", tool_calls=calls("a"))
    ]
    assert joined([]) == []


def test_system_messages_at_the_beginning_are_one_and_those_amid_it_the_users() -> None:
    told = [turn("system", "a"), turn("system", "b"), turn("user", "c"), turn("system", "d")]
    assert one_system(told) == [turn("system", "a\n\nb"), *told[2:]]
    assert one_system(told[2:]) == told[2:]
    assert later_system_as_user(told[1:]) == [
        turn("system", "b"),
        turn("user", "c"),
        turn("user", "d"),
    ]
    assert [each["role"] for each in system_as_user(told)] == ["user"] * 4


def test_a_word_stands_between_a_result_and_the_user_and_nowhere_else() -> None:
    told = [turn("tool", "1"), turn("tool", "2"), turn("user", "a"), turn("user", "b")]
    assert apart_from_results(told) == [*told[:2], turn("assistant", "OK."), *told[2:]]
    assert apart_from_results([turn("tool", "1"), turn("assistant", "b")])[1]["content"] == "b"


def test_only_a_text_that_is_there_stands_before_its_call() -> None:
    silent = turn("assistant", tool_calls=calls("a"))
    said = turn("assistant", "I look.", tool_calls=calls("a"))
    plain = turn("assistant", "Done.")
    assert with_text_before_calls([silent, plain]) == [silent, plain]
    assert with_text_before_calls([said, plain]) == [turn("assistant", "I look."), silent, plain]


def test_only_what_was_thought_before_a_call_is_thinking() -> None:
    thought = {"reasoning_content": "hm"}
    called = turn("assistant", "I look.", tool_calls=calls("a"))
    assert with_thinking([{**called, **thought}]) == [
        turn("assistant", thinking="hm\nI look.", tool_calls=calls("a"))
    ]
    others = [called, turn("assistant", "Done.", **thought)]
    assert with_thinking(others) == others


def test_arguments_become_text_and_letters_stay_as_they_are() -> None:
    told = [turn("assistant", tool_calls=calls("a", "b")), turn("user", "a")]
    [made, user] = with_text_arguments(told)
    assert [each["function"]["arguments"] for each in made["tool_calls"]] == ['{"a": "ä"}'] * 2
    assert user == turn("user", "a")
    assert told[0]["tool_calls"][0]["function"]["arguments"] == {"a": "ä"}, "itself it stays"


def test_without_tool_turns_calls_and_results_are_text() -> None:
    called = turn("assistant", "I look.", tool_calls=calls("a", "b"))
    silent = turn("assistant", tool_calls=calls("a"))
    written = '<tool_call>{"name": "%s", "arguments": {"a": "ä"}}</tool_call>'
    assert plain_turns([called, turn("tool", "1", tool_call_id="a"), silent]) == [
        turn("assistant", f"I look.\n{written % 'a'}\n{written % 'b'}"),
        turn("user", "<tool_response>\n1\n</tool_response>"),
        turn("assistant", written % "a"),
    ]


def test_tools_are_described_with_their_whole_function_and_the_form_of_a_call() -> None:
    text = describe_tools([{"type": "function", "function": {"name": "größe"}}])
    assert '{"name": "größe"}' in text
    assert '<tool_call>{"name": "...", "arguments": {...}}</tool_call>' in text
