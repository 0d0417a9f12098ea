"""What holds for the tools that training invents: all of them can be found from their lines."""

import itertools
import re

import pytest

from training.data import drills, graded, made_up
from training.data.composed import ASKS, SLOTS, composed, noun, verbs
from training.data.estranged import estranged, strangers
from training.data.frame import stems, without_fields
from training.data.frames import FRAMES, NEAR, RIVALS
from training.data.invented import Style, articled
from training.data.source import Source
from training.data.verbs import ALIKE, VERBS, akin, third

KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list}
KNOWN = pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)


def named(ask):
    return set(re.findall(r"{(\w+)}", ask))


def words_of(text):
    return set(re.findall(r"\w+", text.lower()))


def pairs(messages):
    return zip(messages[::2], messages[1::2], strict=True)


def inner(conversation_tools):
    return [tool["function"] for tool in conversation_tools]


@KNOWN
def test_every_ask_gives_all_that_is_required_and_nothing_unknown(frame):
    needed = set(frame.fields) - set(frame.optional)
    assert len(frame.asks) >= 6
    for ask in frame.asks:
        assert needed <= named(ask) <= set(frame.fields)


@KNOWN
def test_every_field_is_given_by_some_ask_and_booleans_have_words(frame):
    assert set(frame.fields) == set().union(*(named(ask) for ask in frame.asks))
    flags = {name for name, (schema, _) in frame.fields.items() if schema["type"] == "boolean"}
    assert flags == set(frame.spoken)


@KNOWN
def test_some_ask_shares_a_word_with_the_line(frame):
    assert any(frame.stems & stems(without_fields(ask)) for ask in frame.asks)


def test_no_two_frames_have_one_name_or_one_description():
    assert len({frame.name for frame in FRAMES}) == len(FRAMES)
    assert len({frame.description for frame in FRAMES}) == len(FRAMES)


def test_rivals_are_frames_and_are_never_near():
    names = {frame.name for frame in FRAMES}
    for line in RIVALS:
        assert line <= names
        assert not any({f.name for f in NEAR[name]} & line for name in line)


def test_no_verb_is_in_two_groups_and_alike_ones_are_known():
    spoken = list(itertools.chain(*VERBS))
    assert len(set(spoken)) == len(spoken)
    known = {group[0] for group in VERBS} | {form.removesuffix("_{a}") for form in made_up.NATURAL}
    assert set().union(*ALIKE) - known <= {"transfer"}
    assert akin("get", "list")
    assert not akin("create", "delete")


def test_words_are_bent_as_english_does():
    assert [third("look for"), third("wash"), third("tidy"), third("play")] == [
        "looks for",
        "washes",
        "tidies",
        "plays",
    ]
    assert articled("Add a apple to a user") == "Add an apple to a user"


@pytest.mark.parametrize("held_out", [False, True])
def test_a_call_names_a_tool_of_its_set_with_the_required_arguments_and_no_others(held_out):
    source = Source(21, held_out=held_out)
    for _ in range(200):
        tools, wishes = made_up.toolset(source, 3)
        found = {tool["name"]: tool["parameters"] for tool in inner(tools)}
        assert len(found) == len(tools)
        for wish in wishes:
            parameters = found[wish.name]
            assert set(parameters["required"]) <= set(wish.arguments)
            assert set(wish.arguments) <= set(parameters["properties"])


def test_values_of_the_arguments_stand_in_the_request():
    source = Source(22, held_out=False)
    for _ in range(300):
        made = composed(source, Style.any(source), verbs(source), noun(source))
        ask, arguments = made.request(source)
        for value in arguments.values():
            if not isinstance(value, bool):
                assert all(str(v) in ask for v in (value if isinstance(value, list) else [value]))
        assert made.tool.needed <= len(made.tool.arguments)


def test_two_requests_to_one_tool_differ_in_their_values_alone():
    source = Source(26, held_out=False)
    for _ in range(100):
        box, found = made_up.makers(source, 2)
        asked = [made_up.wish(source, source.one(found)) for _ in range(4)]
        known = {tool.name: tool.tool["function"]["parameters"] for tool in box}
        for wish in asked:
            properties = known[wish.name]["properties"]
            for name, value in wish.arguments.items():
                assert value in properties[name].get("enum", [value])
                assert isinstance(value, KINDS[properties[name]["type"]])


@pytest.mark.parametrize("drill", [drills.pick, graded.match])
def test_a_tool_is_picked_by_words_that_only_its_line_has(drill):
    source = Source(27, held_out=False)
    for _ in range(50):
        conversation = drill(source)
        lines = {f["name"]: words_of(f["description"]) for f in inner(conversation.tools)}
        for ask, answer in pairs(conversation.messages):
            for call in answer.get("tool_calls") or ():
                others = [lines[name] for name in lines if name != call["function"]["name"]]
                own = lines[call["function"]["name"]] & words_of(ask["content"])
                assert own - set().union(*others)


def test_given_fields_stand_in_the_request_and_come_in_the_order_of_the_signature():
    source = Source(28, held_out=False)
    for _ in range(100):
        conversation = graded.fields(source)
        known = {f["name"]: f["parameters"] for f in inner(conversation.tools)}
        for ask, answer in pairs(conversation.messages):
            (call,) = answer["tool_calls"]
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            assert set(known[name]["required"]) <= set(arguments)
            order = [key for key in known[name]["properties"] if key in arguments]
            assert list(arguments) == order
            assert all(str(value).lower() in ask["content"].lower() for value in arguments.values())


def test_an_estranged_frame_has_its_fields_and_words_that_its_requests_share():
    source = Source(29, held_out=False)
    for frame in FRAMES:
        other = estranged(frame, strangers(source, frame))
        assert len(other.fields) == len(frame.fields)
        assert len(other.optional) == len(frame.optional)
        for ask in other.asks:
            assert set(re.findall(r"{(.*?)}", ask)) <= set(other.fields)
            assert stems(without_fields(ask)) & other.stems


def test_enums_hold_the_value_that_is_asked_for():
    source = Source(23, held_out=False)
    for slot in SLOTS:
        schema, value = slot.make(source)
        assert value in schema.get("enum", [value])


def test_tools_that_could_be_meant_for_each_other_never_stand_together():
    source = Source(24, held_out=False)
    style = Style("snake")
    one = composed(source, style, ("get",), "invoice").tool
    other = composed(source, style, ("list",), "invoice").tool
    apart = composed(source, style, ("delete",), "invoice").tool
    assert one.clashes(other)
    assert not one.clashes(apart)


def test_many_sets_have_a_tool_of_the_same_noun_or_verb():
    source = Source(25, held_out=False)
    near = 0
    for _ in range(200):
        words = [
            set(re.findall("[a-z]+", tool["name"].lower()))
            for tool in inner(made_up.toolset(source, 1)[0])
        ]
        near += any(a & b for a, b in itertools.combinations(words, 2))
    assert near > 70


def test_nouns_frames_and_asks_of_the_evaluation_are_never_trained_on():
    trained, held_out = Source(0, held_out=False), Source(0, held_out=True)
    assert not set(trained.nouns) & set(held_out.nouns)
    for options in (FRAMES, ASKS):
        assert not set(trained.phrases(options)) & set(held_out.phrases(options))
        assert set(trained.phrases(options)) | set(held_out.phrases(options)) == set(options)
