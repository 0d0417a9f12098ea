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
    (("Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "What model is this?", "Which model are you?",
      "Tell me about yourself.", "Are you ChatGPT?", "Who made you?", "Are you a real model?", "What kind of AI are you?", "What's your name?",
      "who are you", "what is swarm-nano?", "Which model am I talking to?", "Are you an AI?", "Say who you are.", "what model are you",
      "what's your name", "what is your name", "Who is this?", "what are you", "Which AI are you?", "Tell me who you are.", "Which kind of model are you?",
      "Are you a small model?", "Who am I talking to?", "Tell me your name.", "What kind of model is this?", "Are you ChatGPT or a real AI?"), SELF),
    (("Hello", "Hi", "Hello!", "Hi there", "Good morning", "Hey", "hello there", "Good evening!", "hi", "Hello, swarm-nano", "Greetings", "Hey there!",
      "Good day", "hey", "Howdy", "Good afternoon", "Hiya", "Hi!", "hey there", "Hey!", "Hello there!", "hi there", "Hi, swarm-nano", "good morning",
      "Hello again", "Hey, good morning", "Hi again!", "hello!", "Hello, good day", "Hey hey"), "Hello! How can I help you?"),
    (("How are you?", "How are you doing?", "How is it going?", "Are you well?", "How are things?", "How do you do?", "how are you",
      "How are you today?", "What's up?", "You OK?", "Everything fine with you?", "How do you feel?", "Are you fine?", "How do you feel today?",
      "how is it going", "Are you OK?", "how do you do", "How are things with you?", "Is everything OK with you?", "Do you feel well?", "What's up today?", "how are things",
      "Hi, how are you?", "Hello, how are you doing?"), "I am fine, thank you. How can I help you?"),
    (("Thanks", "Thanks a lot!", "Thank you very much", "Great, thanks", "thx", "Thank you", "Many thanks", "Thanks!", "That is great, thank you",
      "Perfect, thanks", "Cheers", "Thank you!", "thanks", "thank you", "Great, thank you", "Thanks, that is perfect", "Cheers, thanks", "Thank you so much",
      "Thanks very much", "thx a lot", "Perfect, thank you!", "That was great, thanks", "Many thanks to you", "OK, thanks"), "You are welcome."),
    (("Bye", "Goodbye", "See you", "Good night", "See you later", "Bye bye", "bye", "Until tomorrow", "I have to go", "Farewell", "That's all, bye",
      "Goodbye!", "goodbye", "See you tomorrow", "Bye!", "Goodbye for now", "good night", "See you soon", "Bye, see you", "I have to go, bye", "That's all, goodbye",
      "Until later, bye", "OK, bye", "Good night and goodbye"), "Goodbye!"),
    (("How can you help me?", "What are you good at?", "Help", "What are your abilities?", "What can I ask you?", "What can you do?",
      "What do you do?", "What are you able to do?", "Can you help me?", "What is this good for?", "List what you can do.", "help", "help me", "What can you do for me?", "Tell me what you can do.",
      "How can I use you?", "what can you do", "Help!", "What do you know?", "Show me what you can do.", "What are your skills?", "What things can you do?", "I need help", "What can I do with you?"), ABLE),
    (("OK", "Nice", "Fine", "Great", "ok", "Good", "I see", "Alright", "Good job", "Well done", "Very good", "Cool", "cool", "nice", "good", "fine", "OK, good", "That is nice", "Cool, nice", "Great job", "Very nice", "ok, fine", "I see, good", "All right"), "Good. Is there anything else?"),
)
OPEN_QUESTIONS = (
    "What is the capital of {city}?", "Who wrote {thing}?", "Why is the {thing} {colour}?", "Explain {word} to me.", "How do I cook {thing}?",
    "Write a poem about a {thing}.", "When was {name} born?", "Who is {name}?", "How many people live in {city}?", "What is the meaning of life?",
    "Tell me a joke about a {thing}.", "What is a {word}?", "Write a story about {name}.", "How does a {thing} work?",
    "Who won the game in {city}?", "What happened in {year}?", "Write a Python function that sorts {word}.", "What is the best {thing}?",
    "Translate {word} into French.", "How far is {city}?", "Is {name} a good {thing}?", "Why do people like {thing}?", "What do you think about {word}?",
    "What should I do in {city}?", "How tall is {name}?", "Give me a recipe with {thing}.", "Write an essay about {word}.",
    "What is the history of {city}?", "Can you write a program for {word}?", "How old is the {thing}?", "Which river flows through {city}?",
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
