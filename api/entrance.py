"""The client door as the owner's settings make it: where it listens, under which keys."""

from dataclasses import dataclass
from typing import Self

from api.keyring import Found, Keyring, keys_of
from api.listening import Listening, is_unspecified, listening
from guard import Door
from settings import Settings


@dataclass(frozen=True, slots=True)
class Entrance:
    """The addresses and names of the door, the keys that were found at start, those that hold."""

    where: Listening
    found: Found
    keyring: Keyring
    door: Door

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The entrance that the settings ask for; makes a key where one is needed, not yet kept.

        Raises ConfigurationError.
        """
        where = listening(settings.host)
        found = keys_of(settings, beyond=where.beyond)
        keyring = Keyring()
        keyring.hold(found.keys)
        any_address = is_unspecified(settings.host)
        door = Door(settings.port, where.names, any_address=any_address, beyond=where.beyond)
        return cls(where, found, keyring, door)

    @property
    def base_url(self) -> str:
        """What clients call the base URL."""
        return self.where.base_url(self.door.port)
