"""What it says of itself, short polite exchanges, what it does not know, and no call where none is due."""

from __future__ import annotations

from training.data import made_up, opencode, systems
from training.data.source import Conversation, Source
from training.render import Message, Tool

SELF = (
    "I am swarm-nano, the small model that comes with Local Swarm. A real model is one flag away: --model."
)
UNKNOWN = "I do not know that. I am only swarm-nano, the small bundled model; a real model is one flag away: --model."
ABLE = (
    "I can answer questions about a text, sum up a conversation, do small sums, write JSON and call tools. "
    "For more, a real model is one flag away: --model."
)
NO_TOOL = "None of my tools can do that."
EXCHANGES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Who are you?", "What are you?", "What is your name?", "Which model are you?", "Introduce yourself.", "What model is this?",
      "Tell me about yourself.", "Are you ChatGPT?", "Who made you?", "What's your name?", "Are you a real model?", "What kind of AI are you?",
      "who are you", "what is swarm-nano?", "Which model am I talking to?", "Are you an AI?", "Say who you are.", "what model are you"), SELF),
    (("Hello", "Hi", "Hello!", "Hi there", "Hey", "Good morning", "hello there", "Good evening!", "hi", "Hey there!", "Hello, swarm-nano", "Greetings",
      "Good day", "Hi!", "hey", "Howdy", "Good afternoon", "Hiya"), "Hello! How can I help you?"),
    (("How are you?", "How are you doing?", "How is it going?", "How do you do?", "Are you well?", "How are things?", "how are you",
      "How are you today?", "What's up?", "You OK?", "How do you feel?", "Everything fine with you?"), "I am fine, thank you. How can I help you?"),
    (("Thanks", "Thank you", "Thanks a lot!", "Thank you very much", "Great, thanks", "thx", "Many thanks", "Thanks!", "Thank you!",
      "That is great, thank you", "Perfect, thanks", "Cheers"), "You are welcome."),
    (("Bye", "Goodbye", "See you", "Good night", "Bye bye", "See you later", "bye", "Goodbye!", "Until tomorrow", "I have to go", "Farewell",
      "That's all, bye"), "Goodbye!"),
    (("What can you do?", "How can you help me?", "What are you good at?", "Help", "What are your abilities?", "What can I ask you?",
      "What do you do?", "help", "What are you able to do?", "Can you help me?", "What is this good for?", "List what you can do."), ABLE),
    (("OK", "Good", "Nice", "Fine", "Great", "ok", "I see", "Alright", "Good job", "Well done", "Cool", "Very good"), "Good. Is there anything else?"),
)
OPEN_QUESTIONS = (
    "What is the capital of {city}?", "Who wrote {thing}?", "Why is the {thing} {colour}?", "Explain {word} to me.", "How do I cook {thing}?",
    "Write a poem about a {thing}.", "When was {name} born?", "Who is {name}?", "What is a {word}?", "How many people live in {city}?",
    "What is the meaning of life?", "Tell me a joke about a {thing}.", "Write a story about {name}.", "How does a {thing} work?",
    "What is the best {thing}?", "Who won the game in {city}?", "What happened in {year}?", "Write a Python function that sorts {word}.",
    "Translate {word} into French.", "How far is {city}?", "What should I do in {city}?", "Is {name} a good {thing}?", "Why do people like {thing}?",
    "What do you think about {word}?", "How tall is {name}?", "Give me a recipe with {thing}.", "Write an essay about {word}.",
    "What is the history of {city}?", "How old is the {thing}?", "Can you write a program for {word}?", "Which river flows through {city}?",
    "Which {thing} should I buy?", "What causes {word}?", "Describe {city}.", "Who invented the {thing}?", "What does {word} mean?",
)


def said(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def exchange(source: Source) -> tuple[str, str]:
    """One polite question and its answer."""
    asks, answer = source.one((EXCHANGES[0], *EXCHANGES))
    return source.phrase(asks), answer


def unknown(source: Source) -> tuple[str, str]:
    form = source.phrase(OPEN_QUESTIONS)
    return form.format(city=source.city(), thing=source.one(source.things), colour=source.colour(), word=source.word(),
                       name=source.name(), year=source.between(1000, 2030)), UNKNOWN


def named(source: Source) -> list[Message]:
    """The user gives a name and asks for it later."""
    name = source.name()
    tell = source.phrase(("My name is {n}.", "I am {n}.", "Hello, I am {n}.", "I'm {n}", "Call me {n}.", "Hi, my name is {n}"))
    asks = ("What is my name?", "Who am I?", "Do you know my name?", "What's my name?", "Which name did I tell you?", "Say my name.")
    if source.chance(0.3):
        both = f"{tell.format(n=name)} {source.phrase(asks)}"
        return [said("user", both), said("assistant", f"Your name is {name}.")]
    messages = [said("user", tell.format(n=name)), said("assistant", f"Nice to meet you, {name}.")]
    if source.chance(0.4):
        ask, answer = exchange(source)
        messages += [said("user", ask), said("assistant", answer)]
    return [*messages, said("user", source.phrase(asks)), said("assistant", f"Your name is {name}.")]


def box(source: Source) -> list[Tool]:
    """The tools that stand by without being needed: OpenCode's, invented ones or none."""
    roll = source.rng.random()
    if roll < 0.45:
        return []
    if roll < 0.7:
        return opencode.toolbox(source)[1]
    return made_up.toolset(source, source.between(1, 3))[0]


def talk(source: Source) -> Conversation:
    """A few exchanges in which nothing is called."""
    messages: list[Message] = []
    if source.chance(0.2):
        messages = named(source)
    for _ in range(source.between(1, 4)):
        ask, answer = exchange(source) if source.chance(0.65) else unknown(source)
        messages += [said("user", ask), said("assistant", answer)]
    tools = [] if any(m["content"] == UNKNOWN for m in messages) and source.chance(0.7) else box(source)
    head = systems.system(source, source.root() if source.chance(0.2) else None)
    return Conversation("chat", [*([said("system", head)] if head else []), *messages], tools)


def no_tool_fits(source: Source) -> Conversation:
    """A request for a tool that is not in the box."""
    tools, wishes = made_up.toolset(source, 2, alike=False)
    if len(wishes) < 2:
        return talk(source)
    kept = [tool for tool in tools if tool["function"]["name"] != wishes[0].name]
    noun = wishes[0].name
    near = [t for t in kept if _shares(t["function"]["name"], noun)]
    kept = [tool for tool in kept if tool not in near] or [t for t in kept if t["function"]["name"] == wishes[1].name]
    messages = [said("user", opencode.sentence(source, wishes[0].ask, block=False)), said("assistant", NO_TOOL)]
    if any(tool["function"]["name"] == wishes[1].name for tool in kept):
        messages.append(said("user", opencode.sentence(source, wishes[1].ask, block=False)))
        call = {"type": "function", "function": {"name": wishes[1].name, "arguments": wishes[1].arguments}}
        answer, close = made_up.result(source)
        messages += [{"role": "assistant", "content": None, "tool_calls": [call]}, said("tool", answer), said("assistant", close)]
    return Conversation("no-tool", messages, kept)


def _shares(one: str, other: str) -> bool:
    return one.lower()[-4:] == other.lower()[-4:]
