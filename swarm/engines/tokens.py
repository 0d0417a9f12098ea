"""Token ids packed as arrays, and how much of two of them is the same."""

from array import array
from collections.abc import Sequence as Tokens
from typing import Any

import numpy as np


def token_array(tokens: Tokens[int] = ()) -> "array[int]":
    """Token ids packed as 32-bit integers, which numpy can compare without copying."""
    return array("i", tokens)


def common_prefix(a: "array[int]", b: "array[int]") -> int:
    """How many leading tokens two sequences share."""
    length = min(len(a), len(b))
    if length == 0:
        return 0
    different = _view(a)[:length] != _view(b)[:length]
    first = int(different.argmax())
    return first if different[first] else length


def _view(tokens: "array[int]") -> "np.ndarray[Any, np.dtype[np.int32]]":
    return np.frombuffer(tokens, np.int32)
