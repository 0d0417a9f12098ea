"""Texts that tell what to run."""

import pytest

from swarm.chat.explains import called_in_turn, explains
from swarm.types import Message, ToolCall, ToolSpec

BASH = ToolSpec("bash", "", {"properties": {"command": {"type": "string"}}})
READ = ToolSpec("read", "", {"properties": {"path": {"type": "string"}}})


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("Run this:\n```bash\nnpm install\n```", True),
        ("1. Run\n   ```sh\n   npm install\n   ```", True),
        ("```python\nprint(1)\n```", False),
        ("Run `npm install`.", False),
    ],
)
def test_a_fenced_command_is_one_that_should_have_been_called(text: str, lacks: bool) -> None:
    assert explains(text, [READ, BASH]) is lacks
    assert not explains(text, [READ])


def test_a_turn_begins_with_the_user() -> None:
    user, call = Message("user", "go"), Message("assistant", tool_calls=(ToolCall("1", "a", "{}"),))
    result = Message("tool", "done", tool_call_id="1")
    assert called_in_turn([user, call, result])
    assert not called_in_turn([user, call, result, user])
    assert not called_in_turn([])
