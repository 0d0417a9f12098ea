"""A model's own template: what it is given, and what it must not be able to do."""

import json
import time

import pytest

from swarm.chat.template import ChatTemplate
from swarm.errors import InvalidRequest
from swarm.types import Message, ToolCall, ToolSpec

HELLO = [Message("system", "Be brief."), Message("user", "Hello")]
TOOL = ToolSpec("read", "Reads a file.", {"type": "object", "properties": {"path": {}}})
CALL = Message("assistant", None, tool_calls=(ToolCall("c1", "read", '{"path": "a<b"}'),))
RESULT = Message("tool", "text", tool_call_id="c1")


def test_the_template_sees_messages_and_special_tokens() -> None:
    template = ChatTemplate(
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}[go]{% endif %}",
        bos_token="<s>",
    )
    assert template.render(HELLO) == "<s>[system]Be brief.[user]Hello[go]"


def test_a_model_without_a_template_speaks_chatml(caplog: pytest.LogCaptureFixture) -> None:
    text = ChatTemplate(None).render(HELLO)
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "ChatML" in caplog.text


def test_tools_are_given_as_openai_tools_and_arguments_as_objects() -> None:
    template = ChatTemplate(
        "{{ tools[0].function.name }} {{ tools | tojson }}"
        "{% for m in messages if m.tool_calls %}"
        "{{ m.tool_calls[0].function.arguments | tojson }}{% endfor %}",
        tool_calls="hermes",
    )
    text = template.render([CALL, RESULT], [TOOL])
    assert text.startswith('read [{"type": "function", "function"')
    assert text.endswith('{"path": "a<b"}')


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("", {}),
        ("null", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"path": "a', {"arguments": '{"path": "a'}),
        ("[1]", {"arguments": [1]}),
        ('"x"', {"arguments": "x"}),
    ],
)
def test_arguments_are_an_object_whatever_was_written(written: str, given: object) -> None:
    """Templates of some families go through them, and a call may have been cut at the limit."""
    template = ChatTemplate(
        "{% if tools %}{% endif %}{% for m in messages if m.tool_calls %}"
        "{% set a = m.tool_calls[0].function.arguments %}{% for k, v in a.items() %}{% endfor %}"
        "{{ a | tojson }}{% endfor %}",
        tool_calls="hermes",
    )
    call = Message("assistant", None, tool_calls=(ToolCall("c1", "read", written),))
    assert json.loads(template.render([call], [TOOL])) == given


def test_ids_are_nine_letters_and_digits_the_same_for_a_call_and_its_result() -> None:
    """Templates of Mistral's refuse any other, and those that a client sends back are ours."""
    template = ChatTemplate(
        "{% if tools %}{% endif %}{% for m in messages %}"
        "{{ m.tool_calls[0].id if m.tool_calls else m.tool_call_id }} {% endfor %}",
        tool_calls="hermes",
    )
    ids = ("call_0123456789abcdef01234567", "abc", "call_0123456789abcdef01234568", "\u00e4")
    pairs = [
        (
            Message("assistant", None, tool_calls=(ToolCall(told, "read", "{}"),)),
            Message("tool", "text", tool_call_id=told),
        )
        for told in ids
    ]
    given = template.render([message for pair in pairs for message in pair], [TOOL]).split()
    assert given[::2] == given[1::2]
    assert len(set(given)) == len(ids)
    assert all(len(each) == 9 and each.isalnum() and each.isascii() for each in given)


ONE_CALL = ChatTemplate(
    "{% if tools %}{% endif %}{% for m in messages %}{% if 'tool_calls' in m %}"
    "{% if m.tool_calls|length != 1 %}{{ raise_exception('one call') }}{% endif %}"
    "{{ m.content }}:{{ m.tool_calls[0].function.name }} "
    "{% else %}{{ m.role }}={{ m.content }} {% endif %}{% endfor %}",
    tool_calls="hermes",
)


@pytest.mark.parametrize(
    ("results", "read"),
    [
        ("a b c", "Both:a tool=a :b tool=b :c tool=c"),
        ("c a b", "Both:a :c tool=c tool=a :b tool=b"),
        ("b", "Both:a :b tool=b :c"),
        ("", "Both:a :b :c"),
        ("x a", "Both:a tool=x tool=a :b :c"),
    ],
)
def test_where_a_template_takes_one_call_each_stands_before_its_result(
    results: str, read: str
) -> None:
    calls = tuple(ToolCall(name, name, "{}") for name in "abc")
    told = [Message("tool", each, tool_call_id=each) for each in results.split()]
    messages = [Message("assistant", "Both", tool_calls=calls), *told, Message("user", "go on")]
    assert ONE_CALL.render(messages, [TOOL]).strip() == f"{read} user=go on"
    assert ONE_CALL.render(messages[:-1], [TOOL]).strip() == read


def test_a_template_that_joins_arguments_gets_them_as_text() -> None:
    """As some of DeepSeek do."""
    template = ChatTemplate(
        "{% if tools %}{% endif %}{% for m in messages %}{% for tool in m.tool_calls %}"
        "{{ tool['function']['name'] + tool['function']['arguments'] }}{% endfor %}{% endfor %}",
        tool_calls="hermes",
    )
    written = '{"path": "a<b", "said": "\u00e4"}'
    call = Message("assistant", None, tool_calls=(ToolCall("c1", "read", written),))
    assert template.render([call], [TOOL]) == f"read{written}"


def test_a_template_that_knows_no_tools_gets_them_as_text() -> None:
    text = ChatTemplate(None).render([*HELLO, CALL, RESULT], [TOOL])
    assert "Be brief.\n\nYou may call these tools:" in text
    assert '<tool_call>{"name": "read", "arguments": {"path": "a<b"}}</tool_call>' in text
    assert "<|im_start|>user\n<tool_response>\ntext\n</tool_response>" in text


def test_tools_without_a_system_message_make_one() -> None:
    text = ChatTemplate(None).render([Message("user", "Hi")], [TOOL])
    assert text.startswith("<|im_start|>system\nYou may call")


def test_a_developer_is_the_system_to_a_template() -> None:
    text = ChatTemplate("{{ messages[0].role }}").render([Message("developer", "x")])
    assert text == "system"


def test_extra_options_reach_the_template() -> None:
    template = ChatTemplate("{{ reasoning_effort }}{{ enable_thinking }}")
    assert template.render(HELLO, extra={"reasoning_effort": "low"}) == "low"


def test_old_reasoning_reaches_the_template() -> None:
    template = ChatTemplate("{{ messages[0].reasoning_content }}")
    assert template.render([Message("assistant", "4", reasoning="2+2")]) == "2+2"


def test_blocks_are_trimmed_and_loops_can_be_left() -> None:
    template = ChatTemplate("  {% for m in messages %}\n{% break %}\n{% endfor %}\nx")
    assert template.render(HELLO) == "x"


def test_training_marks_are_passed_over() -> None:
    assert ChatTemplate("{% generation %}a{% endgeneration %}b").render(HELLO) == "ab"


def test_the_date_can_be_asked() -> None:
    assert ChatTemplate("{{ strftime_now('%Y') }}").render(HELLO).isdigit()


def test_what_the_template_refuses_is_the_requests_fault() -> None:
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InvalidRequest, match="roles must alternate") as caught:
        template.render(HELLO)
    assert caught.value.param == "messages"


NESTED = "{% for a in messages %}" * 25 + "{% endfor %}" * 25


@pytest.mark.parametrize("source", ["{% for %}", NESTED])
def test_a_broken_template_names_the_model(source: str) -> None:
    """Also one that Jinja can read and Python cannot, whose blocks go down 20 levels at most."""
    with pytest.raises(InvalidRequest, match="broken") as caught:
        ChatTemplate(source)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__ }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ 'a' * 10000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%99999999999999999s' % 'x' }}",
        "{% set n = namespace(s='x') %}{% for a in range(40) %}{% set n.s=n.s+n.s %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999999999) %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ messages[99].content.x }}",
    ],
)
def test_a_hostile_template_is_stopped(attack: str) -> None:
    try:
        text = ChatTemplate(attack).render(HELLO)
    except InvalidRequest:
        return
    assert text == ""


def test_json_is_not_escaped_for_html() -> None:
    text = ChatTemplate("{{ messages[0].content | tojson(indent=2) }}").render(
        [Message("user", "<é>")]
    )
    assert json.loads(text) == "<é>"
    assert "<é>" in text


def test_a_machine_that_stands_still_is_no_fault_of_the_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stand_still() -> str:
        time.sleep(0.06)
        return "then: "

    monkeypatch.setattr("swarm.chat.template._MAX_SECONDS", 0.05)
    template = ChatTemplate("{{ stand_still() }}{{ messages[0].content }}")
    assert template.render(HELLO[1:], extra={"stand_still": stand_still}) == "then: Hello"
