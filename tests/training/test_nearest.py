"""How often the tool that is meant stands first behind the request."""

from __future__ import annotations

import re

from training.data import made_up
from training.data.source import Source
from training.render import load_template, render

REQUESTS = 300


def test_of_tools_that_training_never_showed_the_wanted_one_is_mostly_the_nearest():
    template, source = load_template(), Source("nearest", held_out=True)
    first, asked = 0, 0
    while asked < REQUESTS:
        conversation = made_up.single(source)
        for at, message in enumerate(conversation.messages):
            if not message.get("tool_calls"):
                continue
            text = render(
                template, conversation.messages[:at], conversation.tools, open_answer=True
            )
            behind = text.rpartition("<|im_start|>user\n")[2]
            names = re.findall(r"([^ \n]+)\(", behind.partition("Nearest:\n")[2])
            first += names[:1] == [message["tool_calls"][0]["function"]["name"]]
            asked += 1
    print(f"{first} of {asked}")
    assert first / asked > 0.9
