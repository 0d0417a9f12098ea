"""The engine process: reads commands from its stdin, steps the model, writes events to stdout.

Started as `python -m swarm.engines.child` by `process.py`; ends when its stdin ends.
"""

import importlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, TypeAlias

from swarm.engines.base import Stepper
from swarm.engines.messages import (
    LENGTH,
    AskLoad,
    Cancel,
    Command,
    Embed,
    Ready,
    Refused,
    Reply,
    Report,
    Start,
    Stepped,
    Submit,
    Tokenize,
    decode_body,
    encode_frame,
)
from swarm.errors import GenerationFailed, SwarmError
from swarm.types import Prompt

logger = logging.getLogger(__name__)

_Work: TypeAlias = Submit | Cancel | Embed | AskLoad | Reply
"""What is left of a command for the thread that steps; a Reply it only hands on."""


def main() -> int:
    """Run until the node closes the pipe; the exit status."""
    commands, reports = _take_pipes()
    start = _read(commands)
    if not isinstance(start, Start):
        return 0
    logging.basicConfig(level=start.log_level, format="%(levelname)s engine: %(message)s")
    # A daemon thread that holds stdin lets Python end by abort only, which tells nothing.
    sys.excepthook = _end
    threading.excepthook = _end_thread
    inbox: queue.SimpleQueue[_Work] = queue.SimpleQueue()
    loaded: Future[Stepper] = Future()
    receiving = threading.Thread(target=_receive, args=(commands, inbox, loaded), daemon=True)
    if os.name != "nt":  # Windows lets no library look at a stdin that is being read: it would hang
        receiving.start()
    try:
        stepper = _load(start)
    except SwarmError as error:
        _write(reports, Refused(None, error))
        _leave(1)
    loaded.set_result(stepper)
    _write(reports, Ready(stepper.info))
    if not receiving.is_alive():
        receiving.start()
    serve(stepper, inbox, reports)
    return 0


def serve(
    stepper: Stepper,
    inbox: "queue.SimpleQueue[_Work]",
    reports: BinaryIO,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Step while there is work, wait for a command while there is none.

    Between two steps every command is obeyed, and one text at most becomes a vector: a text takes
    as long as many steps, so as much time as it took is the steps' own before the next.
    """
    texts: dict[int, Embed] = {}
    next_text_s = 0.0
    while True:
        while not inbox.empty() or not (stepper.busy or texts):
            _obey(stepper, inbox.get(), texts, reports)
        if texts and (clock() >= next_text_s or not stepper.busy):
            began_s = clock()
            _embed(stepper, texts.pop(next(iter(texts))), reports)
            next_text_s = 2 * clock() - began_s
        if stepper.busy and (events := stepper.step()):
            _write(reports, Stepped(events))


def _obey(stepper: Stepper, command: _Work, texts: dict[int, Embed], reports: BinaryIO) -> None:
    match command:
        case Submit(request_id, prompt):
            try:
                accepted = stepper.submit(request_id, prompt)
            except SwarmError as error:
                _write(reports, Refused(request_id, error))
            else:
                _write(reports, Stepped([(request_id, [accepted])]))
        case Cancel(request_id) if request_id in texts:
            del texts[request_id]
            _write(reports, Refused(request_id, GenerationFailed("nobody waits for this text")))
        case Cancel(request_id):
            stepper.cancel(request_id)
        case Reply():
            _write(reports, command)
        case Embed(request_id):
            texts[request_id] = command
        case AskLoad(request_id):
            _write(reports, Reply(request_id, stepper.load()))


def _embed(stepper: Stepper, asked: Embed, reports: BinaryIO) -> None:
    try:
        made = stepper.embed(asked.text)
    except SwarmError as error:
        _write(reports, Refused(asked.id, error))
    else:
        _write(reports, Reply(asked.id, made))


def _load(start: Start) -> Stepper:
    module, _, function = start.factory.partition(":")
    return getattr(importlib.import_module(module), function)(start.options)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdout for frames alone: whatever a library prints goes to stderr instead."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return sys.stdin.buffer, reports


def _receive(
    commands: BinaryIO, inbox: "queue.SimpleQueue[_Work]", loaded: Future[Stepper]
) -> None:
    while (command := _read(commands)) is not None:
        stepper = loaded.result()
        if isinstance(command, Cancel):
            stepper.interrupt(command.id)
        inbox.put(_in_tokens(stepper, command))
    # The node has gone. The main thread may be deep in a step or load, and nothing is left to save.
    _leave(0)


def _in_tokens(stepper: Stepper, command: Command) -> _Work:
    """The command with its text as tokens. A long text takes longer than a step may: so it is
    read here, beside the steps.
    """
    match command:
        case Submit(request_id, Prompt(text=str(text)) as prompt):
            return Submit(request_id, replace(prompt, text=tuple(stepper.tokenize(text))))
        case Tokenize(request_id, text):
            return Reply(request_id, stepper.tokenize(text))
        case _:
            return command


def _end_thread(error: threading.ExceptHookArgs) -> None:
    """Without the thread that receives there is no engine."""
    _end(error.exc_type, error.exc_value, error.exc_traceback)


def _end(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """After an error that answers no request nothing is certain: the node starts anew."""
    if isinstance(error, GenerationFailed):
        logger.critical("%s", error)
    else:
        logger.critical("a bug ends the engine", exc_info=(kind, error or kind(), trace))
    _leave(1)


def _leave(status: int) -> NoReturn:
    """At once, whatever other threads are at."""
    logging.shutdown()
    os._exit(status)


def _read(pipe: BinaryIO) -> Any:
    """The next message, or None at the end of the pipe, also where that cuts a message."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = pipe.read(length)
    return decode_body(body) if len(body) == length else None


def _write(pipe: BinaryIO, report: Report) -> None:
    frame = memoryview(encode_frame(report))
    while frame:
        frame = frame[pipe.write(frame) :]


if __name__ == "__main__":
    sys.exit(main())
