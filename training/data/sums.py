"""Addition, subtraction and comparison that end in `Answer: N`, with steps and without."""

from __future__ import annotations

from training.data.source import Conversation, Source
from training.render import Message

PLUS = (
    "What is {a} + {b}?", "{a} + {b}", "Add {a} and {b}.", "How much is {a} plus {b}?", "Compute {a} + {b}.",
    "What is the sum of {a} and {b}?", "{a}+{b}=", "Calculate {a} + {b}", "{a} plus {b}?", "What does {a} + {b} make?",
    "Sum {a} and {b}.", "Please add {b} to {a}.", "{a} + {b} = ?", "Work out {a} + {b}.", "How much is {a} + {b}?",
    "I have {a} and get {b} more. How many do I have?", "Tell me {a} plus {b}.", "What do {a} and {b} add up to?",
)
MINUS = (
    "What is {a} - {b}?", "{a} - {b}", "Subtract {b} from {a}.", "How much is {a} minus {b}?", "Compute {a} - {b}.",
    "What is the difference of {a} and {b}?", "{a}-{b}=", "Calculate {a} - {b}", "{a} minus {b}?", "Take {b} from {a}.",
    "What is left of {a} without {b}?", "Please subtract {b} from {a}.", "{a} - {b} = ?", "Work out {a} - {b}.",
    "How much is {a} - {b}?", "I have {a} and give away {b}. How many are left?", "Tell me {a} minus {b}.",
    "What remains of {a} after taking {b}?",
)
_LEADS = ("What is", "How much is", "Compute", "Calculate", "Work out", "Tell me", "Please compute", "Find", "Give me", "Evaluate")
PLUS += (*tuple(f"{lead} {what}" for lead in _LEADS for what in ("{a} + {b}", "{a} plus {b}?", "the sum of {a} and {b}.", "{a}+{b}?", "the total of {a} and {b}")), "add {a} and {b}", "add {b} to {a}", "Please add {a} and {b}.", "sum {a} and {b}", "The sum of {a} and {b}?", "What do {a} and {b} make?")
MINUS += (*tuple(f"{lead} {what}" for lead in _LEADS for what in ("{a} - {b}", "{a} minus {b}?", "the difference of {a} and {b}.", "{a}-{b}?", "the difference between {a} and {b}")), "subtract {b} from {a}", "take {b} from {a}", "Please take {b} from {a}.", "What remains of {a} without {b}?", "After taking {b} from {a}, what is left?", "What remains when you subtract {b} from {a}?")
LARGER = (
    "Which is larger, {a} or {b}?", "Which number is bigger: {a} or {b}?", "What is greater, {a} or {b}?",
    "Give the larger of {a} and {b}.", "{a} or {b}, which is more?", "Which is the greater number, {a} or {b}?",
    "Compare {a} and {b}: which is larger?", "Which of {a} and {b} is bigger?", "Name the larger number: {a}, {b}.",
    "Max of {a} and {b}?", "What is the maximum of {a} and {b}?", "Is {a} or {b} larger?",
)
SMALLER = (
    "Which is smaller, {a} or {b}?", "Which number is less: {a} or {b}?", "What is less, {a} or {b}?",
    "Give the smaller of {a} and {b}.", "{a} or {b}, which is less?", "Which is the lesser number, {a} or {b}?",
    "Compare {a} and {b}: which is smaller?", "Which of {a} and {b} is less?", "Name the smaller number: {a}, {b}.",
    "Min of {a} and {b}?", "What is the minimum of {a} and {b}?", "Is {a} or {b} smaller?",
)
STEPS = (*tuple(f" {lead} {what}." for lead in ("Show", "Write down", "Please show", "Explain", "Give", "Write") for what in ("your steps", "the steps", "each step", "your work", "every step", "all steps")), " Step by step.", " Do it step by step.", " Think step by step.", " Work it out step by step.", " With steps.", " Reason step by step.", " Please think step by step.", " Go step by step.", " Step by step, please.", " Please work it out step by step.", " Please do it with steps.", " Reason with steps.")
BARE = ("", "", "", "", " Only the answer.", " Just the answer, no steps.", " End with 'Answer: N'.", " Reply with 'Answer: N'.")


def steps_of_sum(a: int, b: int) -> str:
    """Column addition from the ones up."""
    lines, carry = [], 0
    width = max(len(str(a)), len(str(b)))
    for at in range(width):
        x, y = a // 10**at % 10, b // 10**at % 10
        total = x + y + carry
        more = " + 1" if carry else ""
        carry = total // 10
        lines.append(f"{x} + {y}{more} = {total}: write {total % 10}, carry {carry}")
    return "\n".join([*lines, f"Answer: {a + b}"])


def steps_of_difference(a: int, b: int) -> str:
    """Column subtraction from the ones up, for a >= b."""
    lines, borrow = [], 0
    for at in range(len(str(a))):
        x, y = a // 10**at % 10, b // 10**at % 10
        less = " - 1" if borrow else ""
        lent = x - y - borrow < 0
        left = x - y - borrow + (10 if lent else 0)
        shown = f"1{x}" if lent else f"{x}"
        borrow = int(lent)
        lines.append(f"{shown} - {y}{less} = {left}: write {left}, borrow {borrow}")
    return "\n".join([*lines, f"Answer: {a - b}"])


def number(source: Source, digits: int) -> int:
    low = 0 if digits == 1 else 10 ** (digits - 1)
    return source.between(low, 10**digits - 1)


def held_out_pair(a: int, b: int) -> bool:
    """Pairs of operands that only evaluation sees (a seventh; single digits are shared)."""
    low, high = sorted((a, b))
    return (low * 31 + high * 17) % 7 == 3 and high > 9


def operands(source: Source, low: int, high: int) -> tuple[int, int]:
    """Two numbers of a drawn length on the source's side of the split."""
    while True:
        digits = source.between(low, high)
        a = number(source, digits)
        b = number(source, digits if source.chance(0.6) else source.between(1, digits))
        if max(a, b) <= 9 or held_out_pair(a, b) == source.held_out:
            return (a, b) if source.chance(0.5) else (b, a)


def task(source: Source, kind: str, low: int, high: int, *, steps: bool) -> tuple[str, str]:
    """A question and its answer; kind is plus, minus, larger or smaller."""
    a, b = operands(source, low, high)
    if kind == "minus" and a < b:
        a, b = b, a
    asks = {"plus": PLUS, "minus": MINUS, "larger": LARGER, "smaller": SMALLER}[kind]
    question = source.phrase(asks).format(a=a, b=b)
    if steps:
        worked = steps_of_sum(a, b) if kind == "plus" else steps_of_difference(a, b)
        return question + source.phrase(STEPS), worked
    result = {"plus": a + b, "minus": a - b, "larger": max(a, b), "smaller": min(a, b)}[kind]
    return question + source.one(BARE), f"Answer: {result}"


def _turns(pairs: list[tuple[str, str]]) -> list[Message]:
    return [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


KINDS = ("plus", "plus", "plus", "minus", "minus", "larger", "smaller")


def direct(source: Source) -> Conversation:
    """Several short sums without steps."""
    pairs = []
    for _ in range(source.between(3, 9)):
        high = source.rng.choices((1, 2, 3, 4), (3, 6, 2.5, 0.7))[0]
        pairs.append(task(source, source.one(KINDS), 1, high, steps=False))
    return Conversation("sums", _turns(pairs))


def drill(source: Source) -> Conversation:
    """Many short sums of one or two digits: more answers in fewer tokens than `direct` has."""
    pairs = []
    for _ in range(source.between(8, 20)):
        kind = source.one(("plus", "plus", "minus"))
        a, b = operands(source, 1, source.one((1, 2, 2)))
        a, b = (b, a) if kind == "minus" and a < b else (a, b)
        sign, result = ("+", a + b) if kind == "plus" else ("-", a - b)
        pairs.append((source.one((f"{a}{sign}{b}", f"{a} {sign} {b}")), f"Answer: {result}"))
    return Conversation("sums", _turns(pairs))


def worked(source: Source) -> Conversation:
    """One or two sums with steps."""
    pairs = [
        task(source, source.one(("plus", "minus")), 1, 6, steps=True)
        for _ in range(source.between(1, 2))
    ]
    return Conversation("sums-steps", _turns(pairs))
