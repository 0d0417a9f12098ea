"""Every strategy votes on what workers of the bundled model really said.

What must win is worked out here in other ways than the vote's own. `tests/data/record.py` makes
the answers anew.
"""

import ast
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from swarm.chat.arguments import checks_of
from swarm.consensus.validity import not_json
from swarm.types import Candidate, ToolSpec, Verdict
from tests.swarm.replay import as_candidate, replayed

FILE = Path(__file__).parents[1] / "data" / "generations.json"
RECORDED: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))


def cases(kind: str) -> Any:
    return pytest.mark.parametrize("case", RECORDED[kind], ids=range(len(RECORDED[kind])))


def answers_of(case: dict[str, Any]) -> list[Candidate]:
    return [as_candidate(answer) for answer in case["answers"]]


def valid(answers: list[Candidate], verdict: Verdict) -> list[Candidate]:
    return [
        answer
        for answer, worker in zip(answers, verdict.workers, strict=True)
        if worker.state == "valid"
    ]


def most(answers: list[Candidate], what: Callable[[Candidate], Hashable]) -> list[Hashable]:
    """The values that most answers have; several where they tie."""
    counts = Counter(map(what, answers))
    return [value for value, number in counts.items() if number == max(counts.values())]


def number(answer: Candidate) -> str:
    found = re.findall(r"Answer: (-?\d+)", answer.text)
    return str(int(found[-1])) if found else answer.text


@cases("exact")
async def test_the_number_that_most_workers_found_wins(case: dict[str, Any]) -> None:
    answers = answers_of(case)
    won, verdict = await replayed(answers, reading="exact", decide="all")
    assert number(won) in most(valid(answers, verdict), number)
    assert won.text in [answer.text for answer in answers]


@cases("json")
async def test_the_object_that_most_workers_wrote_wins(case: dict[str, Any]) -> None:
    answers = answers_of(case)
    won, verdict = await replayed(answers, reading="json", decide="all", wanted=not_json)

    def value(answer: Candidate) -> str:
        return json.dumps(json.loads(answer.text), sort_keys=True)

    best = most(valid(answers, verdict), value)
    assert value(won) in best or len(best) > 1
    assert all(worker.why for worker in verdict.workers if worker.state == "abstained")


@cases("tools")
async def test_the_call_that_most_valid_workers_made_wins(case: dict[str, Any]) -> None:
    answers = answers_of(case)
    specs = [ToolSpec(t["name"], t["description"], t["parameters"]) for t in case["tools"]]
    won, verdict = await replayed(
        answers,
        decide="all",
        checks=checks_of(specs),
        schemas={spec.name: spec.parameters for spec in specs},
    )
    schemas = {spec.name: spec.parameters for spec in specs}

    def fits(answer: Candidate) -> bool:
        try:
            for call in answer.tool_calls:
                jsonschema.validate(json.loads(call.arguments), schemas[call.name])
        except (KeyError, ValueError, jsonschema.ValidationError):
            return False
        return True

    good = valid(answers, verdict)
    assert [fits(answer) for answer in answers] == [answer in good for answer in answers]
    kinds = most(good, lambda answer: bool(answer.tool_calls))
    assert bool(won.tool_calls) in kinds
    same = [answer for answer in good if bool(answer.tool_calls) == bool(won.tool_calls)]
    names = most(same, lambda answer: tuple(call.name for call in answer.tool_calls))
    assert tuple(call.name for call in won.tool_calls) in names


@cases("medoid")
async def test_the_text_that_is_most_like_all_others_wins(case: dict[str, Any]) -> None:
    answers = answers_of(case)
    won, verdict = await replayed(answers, reading="medoid", decide="all")
    texts = [answer.text for answer in valid(answers, verdict) if answer.finish == "stop"]

    def parts(text: str) -> set[str]:
        return {text[at : at + 3] for at in range(len(text) - 2)}

    def near(text: str) -> float:
        return sum(len(parts(text) & parts(o)) / len(parts(text) | parts(o)) for o in texts)

    assert near(won.text) == pytest.approx(max(map(near, texts)), rel=0.02)


@cases("json")
async def test_objects_read_as_code_are_equal_where_python_reads_them_alike(
    case: dict[str, Any],
) -> None:
    fenced = [
        Candidate(answer.voter, f"```python\n{answer.text}\n```") for answer in answers_of(case)
    ]

    def tree(answer: Candidate) -> str | None:
        try:
            return ast.dump(ast.parse(answer.text.split("\n", 1)[1].removesuffix("```")))
        except SyntaxError:
            return None

    won, _ = await replayed(fenced, reading="code", decide="all")
    best = most([answer for answer in fenced if tree(answer)], tree)
    assert tree(won) in best or len(best) > 1


@pytest.mark.parametrize("kind", RECORDED)
async def test_no_strategy_depends_on_the_order_of_arrival(kind: str) -> None:
    reading: Any = {"tools": "auto"}.get(kind, kind)
    for case in RECORDED[kind]:
        answers = answers_of(case)
        rules: Any = {"reading": reading, "checks": known(case)}
        inorder = await replayed(answers, decide="all", **rules)
        order = list(range(len(answers)))
        random.Random(len(case["asked"])).shuffle(order)
        mixed = await replayed(answers, order=order, decide="all", **rules)
        assert mixed[0].text == inorder[0].text
        assert mixed[1].support == inorder[1].support


@pytest.mark.parametrize("kind", ["exact", "json", "tools"])
async def test_deciding_early_gives_the_class_of_waiting_for_all(kind: str) -> None:
    reading: Any = {"tools": "auto"}.get(kind, kind)
    for case in RECORDED[kind]:
        rules: Any = {"reading": reading, "checks": known(case)}
        early, told = await replayed(answers_of(case), **rules)
        late, _ = await replayed(answers_of(case), decide="all", **rules)
        assert number(early) == number(late)
        assert [c.name for c in early.tool_calls] == [c.name for c in late.tool_calls]
        assert told.decided_by in ("majority", "unanimous", "all", "only one")


async def test_the_first_valid_answer_and_the_strongest_workers() -> None:
    for case in RECORDED["tools"]:
        answers = answers_of(case)
        every, verdict = await replayed(answers, decide="all", checks=known(case))
        good = valid(answers, verdict)
        first, told = await replayed(answers, decide="first", checks=known(case))
        assert same_calls(first, good[0])
        assert told.decided_by in ("first", "only one")
        strongest = answers.index(good[-1])
        weights = [9 if at == strongest else 1 for at in range(len(answers))]
        best, _ = await replayed(answers, decide="best", weights=weights, checks=known(case))
        assert same_calls(best, good[-1])
        assert every.tool_calls or every.text


async def test_a_judge_is_given_one_answer_of_each_class_and_picks() -> None:
    for case in RECORDED["exact"]:
        shown: list[Candidate] = []

        async def last(candidates: list[Candidate], shown: list[Candidate] = shown) -> int:
            shown += candidates
            return len(candidates) - 1

        won, verdict = await replayed(answers_of(case), decide="all", judge=last)
        assert len({number(answer) for answer in shown}) == len(shown)
        if shown:  # there was more than one class
            assert (won.text, verdict.decided_by) == (shown[-1].text, "judge")


async def test_a_leader_is_of_the_most_frequent_kind() -> None:
    for case in RECORDED["tools"]:
        answers = answers_of(case)
        led, verdict = await replayed(answers, leader=True, checks=known(case))
        assert bool(led.tool_calls) in most(answers, lambda answer: bool(answer.tool_calls))
        assert verdict.decided_by == "leader"


def known(case: dict[str, Any]) -> Any:
    return checks_of(
        [ToolSpec(t["name"], t["description"], t["parameters"]) for t in case["tools"]]
    )


def same_calls(one: Candidate, other: Candidate) -> bool:
    def said(answer: Candidate) -> Any:
        return answer.text, [(call.name, call.arguments) for call in answer.tool_calls]

    return said(one) == said(other)
