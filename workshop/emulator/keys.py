"""The secrets of one state folder: who has them is the learner, or works for the learner."""

from __future__ import annotations

import fcntl
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from workshop.emulator import files, state

#: What AWS makes the key IDs of (base32: https://datatracker.ietf.org/doc/html/rfc4648).
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True)
class Keys:
    """What the emulator asks of those who use it: the access key in a request's signature, or the
    token in a header of ours, for code that signs with keys of its own."""

    access_key: str
    secret_key: str
    token: str


def file() -> Path:
    """Return the file that holds them, for its owner alone."""
    return state.folder() / "keys.json"


def find() -> Keys:
    """Return the secrets of the state folder, made at the first call.

    A file that cannot be read is set aside. A server that still has what was in it ends then.
    """
    return _kept() or _made()


def _kept() -> Keys | None:
    path = file()
    try:
        found = Keys(**json.loads(path.read_text()))
        if all(isinstance(one, str) and one for one in asdict(found).values()):
            path.chmod(0o600)
            return found
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        pass
    state.set_aside(path, "it does not hold the keys of the emulated account")
    return None


def _made() -> Keys:
    with open(state.folder() / "keys.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = _kept()
        if kept:  # another process was quicker
            return kept
        made = Keys(
            "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(30),
        )
        files.write(file(), json.dumps(asdict(made)))
        return made
