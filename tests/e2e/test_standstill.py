"""What is done again because the machine stood still, and what is not."""

import os
import subprocess

from tests.e2e.standstill import STILL_S, undisturbed


def test_what_was_done_while_the_machine_stood_still_is_done_again() -> None:
    done: list[str] = []

    def work() -> int:
        stop = f"kill -STOP {os.getpid()}; sleep {1.5 * STILL_S}; kill -CONT {os.getpid()}"
        subprocess.run(["sh", "-c", "true" if done else stop], check=True)
        done.append("once")
        return len(done)

    assert undisturbed(work) == 2


def test_what_was_done_on_a_machine_that_runs_is_done_once() -> None:
    done: list[str] = []
    undisturbed(lambda: done.append("once"))
    assert done == ["once"]
