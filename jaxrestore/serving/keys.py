"""The secret of a server's folder: it signs cookies, and hashes what is remembered."""

import secrets
from pathlib import Path

from jaxrestore import files


def of(folder: Path) -> bytes:
    """Returns 32 random bytes, which are made at first and kept in `session.key`.

    So that sessions outlive a restart. Only the user who runs the server may read them.
    """
    place = folder / "session.key"
    if place.is_file() and len(known := place.read_bytes()) == 32:
        return known
    made = secrets.token_bytes(32)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write_bytes(place, made)
    place.chmod(0o600)
    return made
