"""The engine process: reads commands from its stdin, steps the model, writes events to stdout.

Started as `python -m swarm.engines.child` by `process.py`; ends when its stdin ends.
"""

import importlib
import logging
import os
import queue
import sys
import threading
from typing import Any, BinaryIO

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

log = logging.getLogger(__name__)


def main() -> int:
    """Run until the node closes the pipe; the exit status."""
    commands, reports = _take_pipes()
    start = _read(commands)
    if not isinstance(start, Start):
        return 0
    logging.basicConfig(level=start.log_level, format="%(levelname)s engine: %(message)s")
    try:
        stepper = _load(start)
    except SwarmError as error:
        _write(reports, Refused(None, error))
        return 1
    _write(reports, Ready(stepper.info))
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(commands, inbox, stepper), daemon=True).start()
    serve(stepper, inbox, reports)
    return 0


def serve(stepper: Stepper, inbox: "queue.SimpleQueue[Command]", reports: BinaryIO) -> None:
    """Step while there is work, wait for a command while there is none."""
    while True:
        while not inbox.empty() or not stepper.busy:
            _obey(stepper, inbox.get(), reports)
        events = stepper.step()
        if events:
            _write(reports, Stepped(events))


def _obey(stepper: Stepper, command: Command, reports: BinaryIO) -> None:
    match command:
        case Submit(request_id, prompt):
            try:
                accepted = stepper.submit(request_id, prompt)
            except SwarmError as error:
                _write(reports, Refused(request_id, error))
            else:
                _write(reports, Stepped([(request_id, [accepted])]))
        case Cancel(request_id):
            stepper.cancel(request_id)
        case Tokenize(request_id, text):
            _write(reports, Reply(request_id, stepper.tokenize(text)))
        case Embed(request_id, text):
            try:
                _write(reports, Reply(request_id, stepper.embed(text)))
            except SwarmError as error:
                _write(reports, Refused(request_id, error))
        case AskLoad(request_id):
            _write(reports, Reply(request_id, stepper.load()))


def _load(start: Start) -> Stepper:
    module, _, function = start.factory.partition(":")
    return getattr(importlib.import_module(module), function)(start.options)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdout for frames alone: whatever a library prints goes to stderr instead."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return sys.stdin.buffer, reports


def _receive(commands: BinaryIO, inbox: "queue.SimpleQueue[Command]", stepper: Stepper) -> None:
    while (command := _read(commands)) is not None:
        if isinstance(command, Cancel):
            stepper.interrupt(command.id)
        inbox.put(command)
    # The node has gone. The main thread may be deep in a step, and nothing is left to save.
    logging.shutdown()
    os._exit(0)


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
    try:
        sys.exit(main())
    except GenerationFailed as error:
        log.critical("%s", error)
        sys.exit(1)
