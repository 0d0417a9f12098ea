"""The PIN that a machine shows while it is alone: when it changes, and when nobody may try.

Pure: the time and the random numbers are given to it.
"""

from collections.abc import Callable, Sequence

from swarm.errors import ConfigurationError, Overloaded

DIGITS = 6
LIFE_S = 600.0
TRIES = 3
FIRST_REST_S = 10.0
LONGEST_REST_S = 600.0


class Pin:
    """Six digits that change every 10 minutes and after three wrong tries, and then rest.

    `draw(n)` gives a random number below `n` (`secrets.randbelow`). Times are one monotonic
    clock's. The rests are 10, 20, 40 ... 600 s and stay long until the machine has joined. So of
    10,000 guesses fired at once 3 count and hit with 3 in a million; a guesser who waits as told
    gets 447 in the first day (1 in 2,200) and needs 23 days for 10,000 (1 in 100).
    """

    def __init__(self, draw: Callable[[int], int], now_s: float) -> None:
        self._draw = draw
        self._rest_s = FIRST_REST_S
        self._closed_until_s = now_s
        self._change(now_s)

    def digits(self, now_s: float) -> str:
        """The PIN at `now_s`. It is a secret: for the screen of this machine and nothing else."""
        if now_s >= self._ends_s:
            self._change(now_s)
        return self._digits

    def shown(self, now_s: float) -> str:
        """The PIN as a person reads it: `482 913`."""
        digits = self.digits(now_s)
        return f"{digits[:3]} {digits[3:]}"

    def rests_s(self, now_s: float) -> float:
        """How long nobody may try, in seconds; 0 when a try is welcome."""
        return max(0.0, self._closed_until_s - now_s)

    def attempt(self, now_s: float) -> str:
        """The digits that a caller must prove; counts as a wrong try until `succeeded`.

        Raises Overloaded while the door rests.
        """
        if (wait_s := self.rests_s(now_s)) > 0:
            raise Overloaded("too many wrong PINs", retry_after_s=int(wait_s) + 1)
        digits = self.digits(now_s)
        self._tries += 1
        if self._tries == TRIES:
            self._change(now_s)
            self._closed_until_s = now_s + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        return digits

    def succeeded(self) -> None:
        """The last try was the right PIN: take it back."""
        self._tries = max(0, self._tries - 1)

    def _change(self, now_s: float) -> None:
        self._digits = f"{self._draw(10**DIGITS):0{DIGITS}}"
        self._ends_s = now_s + LIFE_S
        self._tries = 0


def split_pin(words: Sequence[str]) -> tuple[str, str]:
    """A typed PIN, and the name of the machine behind it, if there is one: `482 913 kitchen`."""
    digits = 0
    for at, word in enumerate(words):
        if digits >= DIGITS:
            return " ".join(words[:at]), " ".join(words[at:])
        digits += sum(char.isdigit() for char in word)
    return " ".join(words), ""


def parse_pin(text: str) -> str:
    """The digits of a typed PIN, spaces and dashes left out. Raises ConfigurationError."""
    digits = "".join(char for char in text if not char.isspace() and char != "-")
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        raise ConfigurationError(
            f"a PIN is {DIGITS} digits, such as `python main.py approve 482 913`; "
            "the other machine shows it"
        )
    return digits
