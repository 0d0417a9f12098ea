"""Votes that are easy to get wrong, by hand: what each worker wrote, and what must be given."""

from dataclasses import replace
from typing import Any

import pytest

from swarm.chat.arguments import checks_of
from swarm.consensus.validity import not_json
from swarm.errors import GenerationFailed
from swarm.types import Candidate, ToolCall, ToolSpec
from tests.swarm.replay import replayed

NESTED = {
    "type": "object",
    "properties": {
        "filter": {
            "type": "object",
            "properties": {
                "tags": {"type": "array"},
                "deep": {"type": "boolean", "default": False},
            },
        },
        "limit": {"type": "number"},
    },
    "required": ["filter"],
}
TOOLS = [ToolSpec("find", "", NESTED), ToolSpec("note", "", {"type": "object"})]
CALLS: Any = {"checks": checks_of(TOOLS), "schemas": {tool.name: tool.parameters for tool in TOOLS}}


def said(*texts: str) -> list[Candidate]:
    return [Candidate(str(at), text) for at, text in enumerate(texts)]


def called(*arguments: str, name: str = "find") -> list[Candidate]:
    return [Candidate(str(at), "", (ToolCall("id", name, a),)) for at, a in enumerate(arguments)]


async def winner(answers: list[Candidate], **rules: Any) -> Candidate:
    return (await replayed(answers, decide="all", **rules))[0]


async def test_nested_arguments_are_one_answer_however_they_are_written():
    answers = called(
        '{"filter": {"tags": ["b", "a"]}}',
        '{"filter": {"tags": ["a", "b"], "deep": false}, "limit": 1e1}',
        '{"limit":10,"filter":{"tags":["a","b"]}}',
        '{"limit": 10.0, "filter": {"deep": false, "tags": ["a", "b"]}}',
        '{"filter": {"tags": ["b", "a"]}, "limit": 10}',
    )
    won = await winner(answers, **CALLS)
    assert won.tool_calls[0].arguments in [a.tool_calls[0].arguments for a in answers[1:4]]


async def test_arguments_are_never_spliced_where_all_differ():
    answers = called(
        '{"filter": {"tags": ["a"]}, "limit": 1}',
        '{"filter": {"tags": ["a"]}, "limit": 2}',
        '{"filter": {"tags": ["b"]}, "limit": 1}',
    )
    won = await winner(answers, **CALLS)
    assert won.tool_calls[0].arguments in [a.tool_calls[0].arguments for a in answers]


async def test_arguments_that_the_tool_would_refuse_have_no_vote():
    wrong = ['{"limit": 3}'] * 3
    won, verdict = await replayed(called(*wrong, '{"filter": {}}'), decide="all", **CALLS)
    assert won.tool_calls[0].arguments == '{"filter": {}}'
    assert verdict.abstained == 3


async def test_arguments_that_are_cut_off_or_broken_have_no_vote():
    broken = ['{"filter": {"tags": [}}', '{"filter": NaN}', '{"filter": {"tags": ["x"']
    won, verdict = await replayed(called(*broken, '{"filter": {}}'), decide="all", **CALLS)
    assert (won.tool_calls[0].arguments, verdict.valid) == ('{"filter": {}}', 1)


async def test_numbers_written_differently_are_one_answer():
    won = await winner(
        said("Answer: 999", "Answer: 999", "1,000", "It is so.\nAnswer: 1e3", "1000.0")
    )
    assert "999" not in won.text


async def test_programs_that_differ_in_comments_and_layout_are_one_answer():
    wrong = "```python\ndef twice(x):\n    return x * 3\n```"
    won = await winner(
        said(
            wrong,
            wrong,
            "```python\ndef twice(x):\n    # doubles\n    return x * 2\n```",
            '```python\ndef twice(x):\n    """Double it."""\n\n    return (x*2)\n```',
            "Sure:\n```py\ndef twice( x ):\n    return x * 2  # two times\n```",
        )
    )
    assert "2" in won.text
    assert "3" not in won.text


async def test_code_that_does_not_parse_loses_to_code_that_does():
    broken = "```python\ndef f(:\n    return 1\n```"
    assert "return 2" in (await winner(said(broken, broken, "```python\nreturn 2\n```"))).text


async def test_one_worker_in_another_language_does_not_win():
    english = (
        "The house stands at the lake, and it has a red roof. In summer the family swims there "
        "every day, and in winter they walk over the ice to the {} on the other side."
    )
    german = (
        "Das Haus steht am See und hat ein rotes Dach. Im Sommer schwimmt die Familie dort jeden "
        "Tag, und im Winter laufen sie ueber das Eis zu dem Dorf auf der anderen Seite."
    )
    texts = said(german, *(english.format(word) for word in ("village", "town", "hamlet")))
    assert "house" in (await winner(texts)).text
    assert "house" in (await winner(texts, reading="medoid")).text


@pytest.mark.parametrize(
    "bad",
    ["", " \n\t ", "and so on " * 60, "Sure! " * 100],
    ids=["empty", "blank", "loop", "short loop"],
)
async def test_what_is_no_answer_has_no_vote(bad: str):
    won, verdict = await replayed(said(bad, bad, bad, "Answer: 7"), decide="all")
    assert (won.text, verdict.valid, verdict.abstained) == ("Answer: 7", 1, 3)


async def test_abstentions_change_nothing_but_their_own_number():
    answers = said("Answer: 1", "Answer: 2", "Answer: 2", "Answer: 3")
    won, verdict = await replayed(answers, decide="all")
    more = [*answers, *said("", "on and " * 90)]
    again, told = await replayed(more, decide="all")
    assert again.text == won.text
    assert (told.support, told.margin, told.valid) == (
        verdict.support,
        verdict.margin,
        verdict.valid,
    )
    assert (verdict.abstained, told.abstained) == (0, 2)


async def test_empty_answers_alone_are_given_where_nothing_was_asked_for():
    won, verdict = await replayed(said("", " ", ""))
    assert (won.text.strip(), won.finish) == ("", "stop")
    assert (verdict.decided_by, verdict.valid) == ("none valid", 0)
    with pytest.raises(GenerationFailed, match="valid"):
        await replayed(said("", " ", ""), must_call=True)


async def test_truncated_answers_count_only_where_there_is_nothing_else():
    cut = [Candidate(str(at), "It is because", finish="length") for at in range(4)]
    assert (await winner([*cut, Candidate("4", "Answer: 7")])).text == "Answer: 7"
    won, verdict = await replayed(cut, decide="all")
    assert (won.finish, verdict.decided_by) == ("length", "unanimous")


FORM: Any = {"wanted": not_json, "reading": "json", "stops": True, "decide": "all"}


async def test_answers_that_a_stop_string_cut_are_given_as_they_are():
    won, verdict = await replayed(said(*['{"a": 8, "b": "x"'] * 3), **FORM)
    assert (won.text, won.finish) == ('{"a": 8, "b": "x"', "stop")
    assert (verdict.decided_by, verdict.valid) == ("unanimous", 3)
    with pytest.raises(GenerationFailed, match="valid"):
        await replayed(said(*['{"a": 8, "b": "x"'] * 3), **{**FORM, "stops": False})


@pytest.mark.parametrize("others", [['{"a": 8', '{"a": 8'], ['{"a": 8', '{"a": 4'], ['{"a": 8']])
@pytest.mark.parametrize("first", [True, False])
async def test_who_was_cut_by_a_stop_string_wins_over_who_ran_into_the_limit(
    others: list[str], first: bool
):
    long = Candidate("9", '{"a": 823423423423423', finish="length")
    answers = [long, *said(*others)] if first else [*said(*others), long]
    won, _ = await replayed(answers, **FORM)
    assert (won.text in others, won.finish) == (True, "stop")
    same = [Candidate("0", '{"a": 8', finish="length"), *said('{"a": 8')]
    assert (await replayed(same, **FORM))[0].finish == "stop"


async def test_a_whole_answer_wins_over_those_that_a_stop_string_cut():
    won, verdict = await replayed(said('{"a": 8', '{"a": 8', '{"a": 4}'), **FORM)
    assert won.text == '{"a": 4}'
    assert verdict.workers[0].why == "it is cut off, and others are whole"


async def test_json_that_repeats_itself_up_to_the_limit_is_given():
    looping = [Candidate(f"{at}", '{"v": "' + "abc " * 100, finish="length") for at in range(3)]
    won, verdict = await replayed(looping, **FORM)
    assert (won.text, won.finish, verdict.valid) == (looping[0].text, "length", 3)
    assert (await replayed([*looping, *said('{"v": "a"}')], **FORM))[0].text == '{"v": "a"}'


async def test_json_that_is_whole_and_wrong_was_cut_by_nobody():
    wrong: Any = {**FORM, "wanted": lambda _: "a is missing"}
    with pytest.raises(GenerationFailed, match="valid"):
        await replayed(said("{}", "{}"), **wrong)


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("rules", [{"must_call": True}, {"wanted": not_json}, {}])
async def test_a_stop_string_may_leave_nothing(rules: Any, leader: bool):
    won, _ = await replayed(said(" ", " "), leader=leader, stops=True, **rules)
    assert (won.text.strip(), won.tool_calls, won.finish) == ("", (), "stop")


async def test_where_a_stop_string_cut_the_calls_that_were_asked_for_their_text_is_given():
    won, _ = await replayed(said('{"', '{"'), must_call=True, stops=True)
    assert (won.text, won.finish) == ('{"', "stop")


async def test_an_answer_that_was_not_counted_is_told_as_an_abstention():
    cut = Candidate("2", "42", finish="length")
    _, verdict = await replayed([*said("42", "42"), cut], decide="all")
    assert (verdict.valid, verdict.abstained, verdict.cancelled) == (2, 1, 0)
    assert (verdict.decided_by, verdict.support) == ("unanimous", 1.0)
    assert [worker.why for worker in verdict.workers] == [
        None,
        None,
        "it is cut off, and others are whole",
    ]
    broken = said("```python\nx = 1\n```", "```python\nx =\n```")
    _, verdict = await replayed(broken, decide="all")
    assert (verdict.valid, verdict.abstained, verdict.decided_by) == (1, 1, "only one")
    assert verdict.workers[1].why == "it does not parse, and others are whole"
    _, verdict = await replayed([cut, replace(cut, voter="3")], decide="all")
    assert (verdict.valid, verdict.abstained) == (2, 0)


async def test_texts_that_should_be_json_are_compared_by_value():
    won = await winner(
        said(
            '{"a": 2}',
            '{"a": 2',
            "not JSON",
            '{"b":null,"a":1.0}',
            '```json\n{"a":1,"b":null}\n```',
        ),
        reading="json",
        wanted=not_json,
    )
    assert "null" in won.text


async def test_a_refusal_is_a_kind_of_its_own():
    no = "I'm sorry, but I can't help with {}."
    answers = said(no.format("that"), "Answer: 1", no.format("this"), "Answer: 2", no.format("it"))
    assert "sorry" in (await winner(answers)).text


async def test_different_calls_are_more_than_fewer_equal_texts():
    calls = called(*(f'{{"filter": {{"tags": [{at}]}}}}' for at in range(3)))
    won = await winner([*said("no", "no"), *calls], **CALLS)
    assert won.tool_calls
