"""One choice of a chat answer as OpenAI's objects: gathered piece by piece, or as deltas."""

from dataclasses import dataclass, field
from typing import Any

from swarm.chat.calls import Arguments
from swarm.chat.completion import Reasoning, Text
from swarm.collect import Piece
from swarm.types import FinishReason, ToolCall


@dataclass(slots=True)
class ChoiceBody:
    """A choice that is not streamed."""

    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reason: FinishReason | None = None
    logprobs: dict[str, Any] | None = None

    def add(self, piece: Piece) -> None:
        """Take what comes next."""
        match piece:
            case Text(text):
                self.text.append(text)
            case Reasoning(text):
                self.reasoning.append(text)
            case ToolCall():
                self.calls.append(call_object(piece))
            case Arguments(text):
                self.calls[-1]["function"]["arguments"] += text

    def body(self, index: int) -> dict[str, Any]:
        """The choice object."""
        text = "".join(self.text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self.calls and not text else text,
            "refusal": None,
        }
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = self.calls
        return {
            "index": index,
            "message": message,
            "logprobs": self.logprobs,
            "finish_reason": self.reason,
        }


@dataclass(slots=True)
class Deltas:
    """The deltas of one streamed choice; counts its calls."""

    calls: int = 0

    def of(self, piece: Piece) -> dict[str, Any]:
        """The delta that tells this piece: a call's head first, its arguments as they come."""
        match piece:
            case Text(text):
                return {"content": text}
            case Reasoning(text):
                return {"reasoning_content": text}
            case ToolCall():
                self.calls += 1
                return {"tool_calls": [{"index": self.calls - 1, **call_object(piece)}]}
            case Arguments(text):
                more = {"index": self.calls - 1, "function": {"arguments": text}}
                return {"tool_calls": [more]}


def call_object(call: ToolCall) -> dict[str, Any]:
    """A tool call in an answer."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
