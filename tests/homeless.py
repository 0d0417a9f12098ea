"""A user of whom the system knows no home."""

import pytest


def become_homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this is a user without HOME and without a line in passwd."""

    pwd = pytest.importorskip("pwd", reason="Windows keeps no such list of users")

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
