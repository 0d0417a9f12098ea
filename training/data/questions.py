"""Questions about a text or a file in the prompt or read by a tool, summaries and titles."""

from __future__ import annotations

from training.data import opencode, systems
from training.data.acts import Act, Place, any_act
from training.data.contents import as_read
from training.data.facts import Record, records, told
from training.data.source import Conversation, Source
from training.render import Message, Tool

LAYOUTS = (
    "{t}\n\n{q}", "{q}\n\n{t}", "Text: {t}\nQuestion: {q}", "Read this text:\n{t}\n\n{q}", "Answer from the text.\n\n{t}\n\n{q}",
    "{t} {q}", "Context:\n{t}\n\nQuestion: {q}", "Here is a note:\n{t}\n{q}",
    "Given this:\n\"{t}\"\n{q}", "{q} Use this text:\n{t}", "Document:\n{t}\n\n{q}", "```\n{t}\n```\n{q}",
    "{t}\n{q}", "{q}\n{t}", "```\n{t}\n```\n\n{q}", "Here is a text:\n{t}\n\n{q}", "{q} Answer from this text:\n{t}", "Note: {t}\nQuestion: {q}",
)
UNSAID = "The text does not say."


def said(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def question(source: Source, items: list[Record]) -> tuple[str, str]:
    """A question with its answer; one in ten has none in the text."""
    item = source.one(items)
    if source.chance(0.1):
        missing = [key for key in item.table if key not in item.values]
        if missing:
            return item.ask(source, source.one(missing)), UNSAID
    key = source.one(list(item.values))
    return item.ask(source, key), item.answer(key)


def about_text(source: Source) -> Conversation:
    """A text in the first message, then one to four questions."""
    items = records(source, source.between(1, 5))
    text = told(source, items)
    ask, answer = question(source, items)
    messages = [said("user", source.phrase(LAYOUTS).format(t=text, q=ask)), said("assistant", answer)]
    for _ in range(source.between(0, 3)):
        ask, answer = question(source, items)
        messages += [said("user", ask), said("assistant", answer)]
    return Conversation("text-question", _with_extras(source, messages)[0])


def about_file(source: Source) -> Conversation:
    """A question that needs a file: read it, then answer."""
    place = Place(source.root() if source.chance(0.75) else None)
    names, tools = opencode.toolbox(source)
    if "read" not in names:
        tools.append(opencode.schema("read"))
    items = records(source, source.between(1, 4))
    shown = source.relative_path()
    ask, answer = question(source, items)
    asks = (
        "read {p} and tell me: {q}", "look into {p}: {q}", "{q} It is in {p}.", "read {p}. {q}", "{q} See {p}.",
        "answer from {p}: {q}", "in {p}: {q}", "check {p}: {q}", "according to {p}: {q}", "open {p} and answer: {q}",
        "use {p} to answer: {q}", "{q} Look it up in {p}.",
    )
    act = Act("read", "", {"filePath": shown}, as_read(source, shown, told(source, items).replace(". ", ".\n")), "", "", "")
    text = source.phrase(asks).format(p=shown, q=ask)
    messages = [said("user", opencode.sentence(source, text, block=True)), *opencode.turn(act), said("assistant", answer)]
    for _ in range(source.between(0, 2)):
        ask, answer = question(source, items)
        messages += [said("user", ask), said("assistant", answer)]
    head = systems.system(source, place.root)
    return Conversation("file-question", [*([said("system", head)] if head else []), *messages], tools)


def _with_extras(source: Source, messages: list[Message]) -> tuple[list[Message], list[Tool]]:
    head = systems.system(source, None)
    return ([said("system", head)] if head else []) + messages, []


SPEECHES = (
    ("I live in {v}.", "lives in {v}", Source.city), ("I like {v}.", "likes {v}", Source.word),
    ("I need a {v}.", "needs a {v}", Source.word), ("I have a {v}.", "has a {v}", Source.word),
    ("I will buy a {v}.", "will buy a {v}", Source.word), ("I work in {v}.", "works in {v}", Source.city),
    ("I saw a {v} today.", "saw a {v}", Source.word), ("I lost my {v}.", "lost a {v}", Source.word),
    ("I want to go to {v}.", "wants to go to {v}", Source.city), ("My favourite color is {v}.", "likes {v}", Source.colour),
)
FILLERS = ("Nice.", "Really?", "Oh, good.", "I see.", "Great!", "That is interesting.", "OK.", "Thanks for telling me.")
SUM_UP = (
    "Summarize this conversation:\n{t}", "Sum up this conversation:\n{t}", "Give a short summary:\n{t}",
    "What was said here?\n{t}", "Summary of this chat, please:\n{t}", "{t}\n\nSummarize the conversation.",
    "Summarise the dialogue:\n{t}", "Conversation:\n{t}\n\nSummary:", "Please summarize:\n{t}", "{t}\n\nWhat is this conversation about?",
    "Write a short summary of this conversation.\n\n{t}", "{t}\n\nSum this up.",
    "{t}\n\nPlease sum up the conversation.", "{t}\n\nSummary, please.", "{t}\nSummarize this.", "{t}\n\nWrite a summary of this.",
    "{t}\n\nGive me a short summary of the conversation.", "{t}\nSum up what was said.", "{t}\n\nWhat was said in this conversation?",
    "{t}\n\nSummarize this conversation.", "Summarize this:\n{t}", "Sum this up:\n{t}", "Here is a conversation:\n{t}\n\nSum it up.",
    "{t}\n\nPlease summarize what was said.", "{t}\nPlease write a short summary.", "What did they say?\n{t}", "{t}\n\nWhat did they say?",
    "{t}\n\nSum up this conversation in short.", "Summarize the conversation below.\n\n{t}", "{t}\n\nThe summary of this conversation:",
)


def dialogue_summary(source: Source) -> Conversation:
    """A written dialogue of two or three people, summed up by what each one said."""
    people = source.some(source.first_names, source.between(2, 3))
    lines, gist = [], []
    for at in range(source.between(2, 4)):
        person = people[at % len(people)]
        speech, told_as, draw = source.one(SPEECHES)
        value = draw(source)
        lines.append(f"{person}: {speech.format(v=value)}")
        gist.append(f"{person} {told_as.format(v=value)}.")
        if source.chance(0.4):
            lines.append(f"{source.one([p for p in people if p != person])}: {source.one(FILLERS)}")
    ask = source.phrase(SUM_UP).format(t="\n".join(lines))
    messages = [said("user", ask), said("assistant", " ".join(gist))]
    return Conversation("summary", _with_extras(source, messages)[0])


RECAP = (
    "Summarize our conversation.", "Sum up what we did.", "What did we do so far?", "Give me a summary of this conversation.",
    "What have we done?", "Summarize the conversation so far.", "Please summarize the above.", "Recap, please.",
    "Summarize what was done.", "Short summary of this session?", "Provide a detailed prompt for continuing our conversation above.",
    "Provide a summary of our conversation above.",
    "Summarize the above.", "What did we do?", "Sum up our conversation.", "Summary, please.", "Recap what we have done.", "Please give me a summary of what was done.",
    "Sum up the session so far.", "Summarize what we did so far.", "A short recap, please.", "What was done so far?", "Write a summary of our conversation.", "Sum up what was done.",
)


def work_summary(source: Source) -> Conversation:
    """A session with acts carried out, then its summary; the acts themselves are not trained."""
    place = Place(source.root() if source.chance(0.6) else None)
    names, tools = opencode.toolbox(source)
    messages: list[Message] = []
    gists = []
    for _ in range(source.between(1, 3)):
        act = any_act(source, place, names)
        messages.append(said("user", opencode.sentence(source, act.ask, block=act.block)))
        if source.chance(0.5):
            messages += opencode.steps_of(act, place, names)
        messages.append(said("assistant", act.close))
        gists.append(f"to {act.gist}")
    silent = sum(message["role"] == "assistant" for message in messages)
    messages += [said("user", source.phrase(RECAP)), said("assistant", f"You asked me {'; '.join(gists)}.")]
    head = systems.system(source, place.root, longest=2)
    return Conversation(
        "summary", [*([said("system", head)] if head else []), *messages],
        tools if source.chance(0.5) else [], {"silent_turns": silent},
    )


TITLE_SYSTEMS = (
    "You are a title generator. You output ONLY a thread title. Nothing else.",
    "Generate a short title for the conversation. Answer with the title only.", "You write titles.",
    "You are a title generator.", "", "Output a brief title that would help the user find this conversation later.",
)
TITLE_ASKS = (
    "Generate a title for this conversation:\n{t}", "Generate a title for this conversation:\n\n{t}",
    "Title for this conversation:\n{t}", "Give this conversation a title:\n{t}", "Write a short title for:\n{t}",
    "Find a title for this chat:\n{t}",
)


def title(source: Source) -> Conversation:
    """OpenCode's request for the title of a conversation."""
    act = any_act(source, Place(None), list(opencode.TOOLS))
    text = opencode.sentence(source, act.ask, block=act.block)
    head = source.phrase(TITLE_SYSTEMS)
    if source.chance(0.4):
        head = f"{head}\n{systems.prose(source, 1, 5)}".strip()
    messages = [said("system", head)] if head else []
    if source.chance(0.4):
        messages += [said("user", TITLE_ASKS[0].format(t="").strip()), said("user", text)]
    else:
        messages.append(said("user", source.phrase(TITLE_ASKS).format(t=text)))
    return Conversation("title", [*messages, said("assistant", act.title)])
