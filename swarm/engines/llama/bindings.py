"""llama.cpp's model and vocabulary behind Python types; owns the native model's memory."""

import ctypes
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import llama_cpp

from swarm.engines.grammar import Grammars
from swarm.engines.llama.slices import SLICE_CHARACTERS, Slicer
from swarm.errors import ModelLoadFailed

logger = logging.getLogger(__name__)

_LEVELS = {4: logging.ERROR}
"""ggml's error level; its warnings and news tell a developer's story and are our DEBUG."""


_USUAL = (b"failed with error 1", b"compute status: 1", b"ret = 2", b"failed to prepare attention")
"""What llama.cpp logs of a computation that we ended ourselves, or of a hybrid memory without room:
to us these are not errors."""


_complaints: deque[str] = deque(maxlen=16)
"""What llama.cpp logged as errors since they were last forgotten; its calls return no reasons."""


@llama_cpp.llama_log_callback
def _forward_log(level: int, text: bytes, _data: Any) -> None:
    severity = (
        logging.DEBUG if any(part in text for part in _USUAL) else _LEVELS.get(level, logging.DEBUG)
    )
    line = text.decode(errors="replace").rstrip()
    if severity == logging.ERROR and line:
        _complaints.append(line)
    logger.log(severity, "%s", line)


def forget_complaints() -> None:
    """What llama.cpp says from now on concerns the next call."""
    _complaints.clear()


def first_complaint() -> str:
    """The cause that llama.cpp named first; later lines repeat it in general terms."""
    return _complaints[0] if _complaints else "llama.cpp gives no reason"


def start_backend() -> None:
    """Initialise llama.cpp once in this process, its log going to ours."""
    llama_cpp.llama_log_set(_forward_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


def model_parameters(gpu_layers: int, split: Sequence[int]) -> llama_cpp.llama_model_params:
    """How many layers are offloaded, and which part of them to each device; an empty split leaves
    that to llama.cpp.
    """
    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = gpu_layers
    if split:
        count = llama_cpp.llama_max_devices()
        parameters.tensor_split = (ctypes.c_float * count)(*split[:count])
    return parameters


class Model:
    """A loaded GGUF file. Raises ModelLoadFailed where the file or the memory will not do.

    `header_only` reads the vocabulary and no weights: so tests load files that have none.
    """

    def __init__(
        self,
        path: Path,
        *,
        gpu_layers: int,
        split: Sequence[int] = (),
        header_only: bool = False,
    ) -> None:
        if not path.is_file():
            raise ModelLoadFailed(f"there is no model file {path}")
        parameters = model_parameters(gpu_layers, split)
        parameters.vocab_only = header_only
        self.path = path
        forget_complaints()
        self.handle: Any = llama_cpp.llama_model_load_from_file(bytes(path), parameters)
        if not self.handle:
            raise ModelLoadFailed(f"{path} cannot be loaded: {first_complaint()}")
        self.vocabulary = Vocabulary(self.handle)

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None

    def metadata(self, key: str) -> str | None:
        """The value of one key of the file's metadata as text, None where it has none."""
        buffer: Any = ctypes.create_string_buffer(256)
        length = llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        if length < 0:
            return None
        if length >= len(buffer):
            buffer = ctypes.create_string_buffer(length + 1)
            llama_cpp.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def description(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self.handle, buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    @property
    def recurrent(self) -> bool:
        """Whether its memory is a running state, wholly or in some layers, that cannot be cut."""
        recurrent = llama_cpp.llama_model_is_recurrent(self.handle)
        return bool(recurrent or llama_cpp.llama_model_is_hybrid(self.handle))


class Vocabulary:
    """Text to token ids and back."""

    def __init__(self, model: Any) -> None:
        self.handle: Any = llama_cpp.llama_model_get_vocab(model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self.handle)
        self.bos: Any = llama_cpp.llama_vocab_bos(self.handle)
        self.eos: Any = llama_cpp.llama_vocab_eos(self.handle)
        self.adds_bos: bool = llama_cpp.llama_vocab_get_add_bos(self.handle)
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, most: int | None = None) -> list[int]:
        """Ids of a text in which special tokens are written out.

        The model's beginning token is added where the model wants one and the text, as most
        chat templates write it, does not have it already. Of a text with more than `most` tokens
        they are those of its beginning, more than `most` too.
        """
        written = self.bos >= 0 and text.startswith(self.written(self.bos))
        return self._tokens(text, framed=self.adds_bos and not written, most=most)

    def tokenize_whole(self, text: str, *, most: int | None = None) -> list[int]:
        """Ids of a text that stands alone, between the tokens for its beginning and its end where
        the model wants them: embeddings may be what is known at the last one. `most` as above.
        """
        return self._tokens(text, framed=True, most=most)

    def _tokens(self, text: str, *, framed: bool, most: int | None) -> list[int]:
        before, after = self._frame if framed else ([], [])
        ids = list(before)
        for found in self._in_slices(text, marks=True, errors="replace"):
            ids += found
            if most is not None and len(ids) > most:
                return ids
        return ids + after

    def piece(self, token: int) -> bytes:
        """The bytes that a token shows; control tokens show none."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = self._render(token, special=False)
        return found

    def written(self, token: int) -> str:
        """A token written out, special or not; empty for a token that does not exist."""
        return "" if token < 0 else self._render(token, special=True).decode(errors="replace")

    def plain_tokens(self, raw: bytes) -> list[int]:
        """Ids of bytes in which special tokens are only letters."""
        text = raw.decode(errors="surrogateescape")
        slices = self._in_slices(text, marks=False, errors="surrogateescape")
        return [token for found in slices for token in found]

    def ends_generation(self, token: int) -> bool:
        return llama_cpp.llama_vocab_is_eog(self.handle, token)

    @cached_property
    def end_tokens(self) -> tuple[int, ...]:
        """Every token that ends a generation; asks the library once for each of the vocabulary."""
        return tuple(token for token in range(self.size) if self.ends_generation(token))

    @cached_property
    def control_tokens(self) -> frozenset[int]:
        """Tokens that aren't text: marks of turns and the like."""
        kinds = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        attributes = llama_cpp.llama_vocab_get_attr
        return frozenset(t for t in range(self.size) if attributes(self.handle, t) & kinds)

    @cached_property
    def grammars(self) -> Grammars:
        """What makes grammars ready for these tokens; half a second's work for 150,000 of them."""
        return Grammars(
            self._all_written,
            control=self.control_tokens,
            ends=self.end_tokens or (self.eos,),
            tokenize=self.plain_tokens,
        )

    @cached_property
    def _slicer(self) -> Slicer:
        kinds = (
            llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
            | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
            | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        )
        attributes = llama_cpp.llama_vocab_get_attr
        marks = [t for t in range(self.size) if attributes(self.handle, t) & kinds]
        return Slicer(
            self._all_written, [self._all_written[t].decode(errors="replace") for t in marks]
        )

    @cached_property
    def _all_written(self) -> list[bytes]:
        return [self._render(token, special=True) for token in range(self.size)]

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """What the model wants before and behind a text."""
        text = self._native(b"a")
        whole = self._native(b"a", framed=True)
        at = next(at for at in range(len(whole)) if whole[at : at + len(text)] == text)
        return whole[:at], whole[at + len(text) :]

    @cached_property
    def _heads(self) -> list[tuple[bytes, list[int]]]:
        """What is put before a later slice, and its tokens taken off again, where every text gets a
        space before it: the first that the slice does not merge with.
        """
        if not b"".join(map(self.piece, self._native(b"a"))).startswith(b" "):
            return []
        heads = [(head, self._native(head)) for head in (b"\n", b"a")]
        return [(head, ids) for head, ids in heads if ids]

    def _in_slices(self, text: str, *, marks: bool, errors: str) -> Iterator[list[int]]:
        """The ids of each slice of a text, most of which are one."""
        if len(text) <= SLICE_CHARACTERS:
            yield self._native(text.encode(errors=errors), marks=marks)
            return
        slices = self._slicer.slices(text)
        yield self._native(next(slices).encode(errors=errors), marks=marks)
        for part in slices:
            yield self._continued(part.encode(errors=errors), marks=marks)

    def _continued(self, raw: bytes, *, marks: bool) -> list[int]:
        """The ids of a text's later slice."""
        for head, head_ids in self._heads:
            ids = self._native(head + raw, marks=marks)
            if ids[: len(head_ids)] == head_ids:
                return ids[len(head_ids) :]
        return self._native(raw, marks=marks)

    def _native(self, raw: bytes, *, framed: bool = False, marks: bool = True) -> list[int]:
        room = len(raw) + 8
        while True:
            ids = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(self.handle, raw, len(raw), ids, room, framed, marks)
            if count >= 0:
                return ids[:count]
            room = -count  # bytes that aren't text become several tokens each

    def _render(self, token: int, *, special: bool) -> bytes:
        # A buffer of its own: texts become tokens in one thread, tokens texts in another.
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = llama_cpp.llama_token_to_piece(self.handle, token, buffer, room, 0, special)
            if length >= 0:
                return ctypes.string_at(buffer, length)
            room = -length
