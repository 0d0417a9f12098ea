"""Tiny tokenizer.json files of other kinds than the bundled one."""

import json
from pathlib import Path
from typing import Any


def with_beginning(folder: Path, *, add_bos_token: bool | None) -> Any:
    """Ids 0 to 2 are <s>, a and b; the tokenizer itself begins every text with <s>."""
    special = {"id": 0, "content": "<s>", "special": True, "single_word": False}
    special |= {"lstrip": False, "rstrip": False, "normalized": False}
    begins = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": _FIRST}],
        "pair": [{"Sequence": _FIRST}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    }
    config = {"bos_token": "<s>"}
    if add_bos_token is not None:
        config["add_bos_token"] = add_bos_token
    return _vocabulary(
        folder,
        config,
        {"<s>": 0, "a": 1, "b": 2},
        added_tokens=[special],
        post_processor=begins,
        decoder={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
        | {"use_regex": False},
    )


def byte_fallback(folder: Path) -> Any:
    """Ids 0 to 2 are a newline, a space with an a, and é, as sentencepiece writes them."""
    decoder = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    return _vocabulary(folder, {}, {"<0x0A>": 0, "\u2581a": 1, "é": 2}, decoder=decoder)


def with_lengths(folder: Path) -> Any:
    """Ids 0 to 2 are a padding, a and b; its training made every text 4 tokens long."""
    return _vocabulary(
        folder,
        {},
        {"<pad>": 0, "a": 1, "b": 2},
        truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        padding={"strategy": {"Fixed": 4}, "direction": "Left", "pad_to_multiple_of": None}
        | {"pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"},
        decoder={"type": "ByteFallback"},
    )


_FIRST = {"id": "A", "type_id": 0}


def _vocabulary(folder: Path, config: Any, vocabulary: dict[str, int], **more: Any) -> Any:
    from swarm.engines.mlx.folder import read_folder
    from swarm.engines.mlx.vocabulary import Vocabulary

    document = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(document | more))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text("{}")
    return Vocabulary(read_folder(folder), len(vocabulary))
