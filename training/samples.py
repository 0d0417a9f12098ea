"""Prints conversations with invented tools as they are trained on, to be read by a person.

python -m training.samples --count 30 --seed 7
"""

from __future__ import annotations

import argparse

from training.data import made_up
from training.data.source import Conversation, Source
from training.render import load_template, render


def printed(conversation: Conversation) -> str:
    return render(load_template(), conversation.messages, conversation.tools, open_answer=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="what evaluation asks")
    options = parser.parse_args()
    source = Source(options.seed, held_out=options.held_out, brief=True)
    for _ in range(options.count):
        print(printed(made_up.single(source)))


if __name__ == "__main__":
    main()
