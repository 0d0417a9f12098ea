"""The compact form knows the system prompts of the real OpenCode, also those of a new version.

Here those that models of the catalogue bring by their names; all are asked for by
`python -m bench.opencode --only lines`.
"""

import pytest

from bench.opencode import first_request
from swarm.chat.compact import compact_system, our_words

pytestmark = [pytest.mark.needs("opencode")]


@pytest.mark.parametrize("model", ["swarm", "gpt-oss:20b"])
async def test_nothing_of_its_prose_is_left(model: str) -> None:
    prompt = (await first_request("Write hello to a.txt", model)).messages[0].content or ""
    ours = our_words().instructions.strip()
    surroundings = "Here is some useful information about the environment"
    assert prompt.startswith("You are ")
    assert compact_system(prompt, our_words()).startswith(f"{ours}\n{surroundings}")
