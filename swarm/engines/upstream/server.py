"""What an upstream server is and can, read from what it says of itself. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from printable import printable
from swarm.chat.formats.beside import SIGN
from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.formats.table import format_of
from swarm.chat.reasoning import THINK_CLOSE, THINK_OPEN
from swarm.engines.base import ModelInfo
from swarm.engines.sampling import DEFAULTS
from swarm.errors import ConfigurationError

CHAT_MARK = "\0chat\0"
"""How a prompt begins that is a conversation as JSON, for a server with a template of its own."""

CHAT_TEMPLATE = (
    f"{CHAT_MARK}{{# {SIGN} #}}"
    "{{ {'messages': messages, 'tools': tools, 'reasoning_effort': reasoning_effort|default(none), "
    "'enable_thinking': enable_thinking|default(none), 'tool_choice': tool_choice|default(none), "
    "'response_format': response_format|default(none)}|tojson }}"
)

MOST_SEQUENCES = 64
"""Sequences at once of a server that names no number."""

UNKNOWN_VOCABULARY = 1 << 31
"""The vocabulary of a server that does not say its size: it refuses unknown tokens itself."""


@dataclass(frozen=True, slots=True)
class Server:
    """One model of an upstream server.

    `template` is its chat template where it tells it; `slots` how many sequences it computes at
    once; `temperature` what it says it uses where none is asked for; `draws_many`: it honours `n`;
    `tokenizes`: it has /tokenize.
    """

    url: str
    model: str
    context_tokens: int
    template: str | None = None
    bos_token: str = ""
    eos_token: str = ""
    slots: int | None = None
    vocabulary: int = UNKNOWN_VOCABULARY
    parameters: int = 0
    size_bytes: int = 0
    trained_tokens: int = 0
    temperature: float | None = None
    draws_many: bool = False
    tokenizes: bool = False

    @property
    def most_sequences(self) -> int:
        return max(self.slots or 0, MOST_SEQUENCES)

    @property
    def per_request(self) -> int:
        """Sequences that one request may ask for."""
        return (self.slots or MOST_SEQUENCES) if self.draws_many else 1

    @property
    def marks(self) -> tuple[str, ...]:
        """What our parsers read in the answers of a model whose template is known.

        Those of its own format only: one that ends a message there ends the answer elsewhere, and
        would be shown as part of it.
        """
        call_format = format_of(self.template or "") or CANONICAL
        return (*call_format.marks, THINK_OPEN, THINK_CLOSE)

    def info(self) -> ModelInfo:
        own = {} if self.temperature is None else {"temperature": self.temperature}
        return ModelInfo(
            name=printable(self.model),
            description=f"{printable(self.model)} at {self.url}",
            architecture="upstream",
            parameters=self.parameters,
            size_bytes=self.size_bytes,
            context_tokens=self.context_tokens,
            trained_context_tokens=self.trained_tokens or self.context_tokens,
            vocabulary=self.vocabulary,
            chat_template=self.template or CHAT_TEMPLATE,
            bos_token=self.bos_token,
            eos_token=self.eos_token,
            max_sequences=self.most_sequences,
            constraint_template=CHAT_TEMPLATE,
            sampling={**DEFAULTS, **own},
        )


def read_server(
    url: str,
    models: Mapping[str, Any],
    props: Mapping[str, Any],
    *,
    wanted: str | None,
    context_tokens: int | None,
) -> Server:
    """The server of `/v1/models` and `/props`, the latter empty where it has none.

    Raises ConfigurationError where the model or the length of its context cannot be told.
    """
    card = _chosen(url, models, wanted)
    meta: Mapping[str, Any] = card.get("meta") or {}
    settings: Mapping[str, Any] = props.get("default_generation_settings") or {}
    params: Mapping[str, Any] = settings.get("params") or {}
    told = (
        settings.get("n_ctx")
        or card.get("max_model_len")
        or card.get("context_length")
        or meta.get("n_ctx")
    )
    length = min(filter(None, (context_tokens, told)), default=None)
    if length is None:
        raise ConfigurationError(
            f"{url} does not say how long the context of {printable(str(card['id']))} is; "
            "say it with --ctx N"
        )
    return Server(
        url=url,
        model=str(card["id"]),
        context_tokens=int(length),
        template=props.get("chat_template") or None,
        bos_token=str(props.get("bos_token") or ""),
        eos_token=str(props.get("eos_token") or ""),
        slots=props.get("total_slots"),
        vocabulary=int(meta.get("n_vocab") or UNKNOWN_VOCABULARY),
        parameters=int(meta.get("n_params") or 0),
        size_bytes=int(meta.get("size") or 0),
        trained_tokens=int(meta.get("n_ctx_train") or 0),
        temperature=params.get("temperature"),
    )


def _chosen(url: str, models: Mapping[str, Any], wanted: str | None) -> Mapping[str, Any]:
    cards: list[Mapping[str, Any]] = models.get("data") or []
    known = [str(card.get("id")) for card in cards]
    if not known:
        raise ConfigurationError(f"{url}/models lists no model")
    if wanted is None:
        return cards[0]
    if wanted not in known:
        raise ConfigurationError(f"--model {wanted}: {url} serves {printable(', '.join(known))}")
    return cards[known.index(wanted)]
