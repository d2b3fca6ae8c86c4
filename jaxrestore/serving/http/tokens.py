"""Tokens: who may use a server that others reach.

A line of the file is the SHA-256 of a token in hexadecimal digits, a scope, `user` or
`admin`, and what you like to remember it by. The tokens themselves are not in it.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from jaxrestore import errors

SCOPES = ("user", "admin")


@dataclass(frozen=True)
class Token:
    """The SHA-256 of a token, in hexadecimal digits, and what it allows."""

    sha256: str
    scope: str

    @property
    def mark(self) -> str:
        """A few digits that stand for it where it is remembered, as in a cookie."""
        return self.sha256[:16]


def read(path: Path) -> tuple[Token, ...]:
    """Returns the tokens of a file; empty lines, and those that begin with #, are none.

    Raises `NoInputError` where there is no such file, and `ConfigError` for a line that
    is no token, and for a file without any.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.NoInputError(
            f"`tokens_file` {path} cannot be read ({_why(error)}); give a text file "
            "whose lines are the SHA-256 of a token and user or admin"
        ) from error
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        digest, scope = words[0].lower(), (words[1:2] or ["user"])[0]
        if not re.fullmatch("[0-9a-f]{64}", digest) or scope not in SCOPES:
            raise errors.ConfigError(
                f"`tokens_file` {path}, line {number}: it must be 64 hexadecimal "
                "digits, the SHA-256 of a token, and user or admin"
            )
        found.append(Token(digest, scope))
    if not found:
        raise errors.ConfigError(
            f"`tokens_file` {path} has no token, so that nobody could come in; add a "
            "line: the SHA-256 of a token, and user or admin"
        )
    return tuple(found)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is no text"


def find(known: tuple[Token, ...], said: str) -> Token | None:
    """Returns the token that somebody said, or None, in a time that tells nothing."""
    digest = hashlib.sha256(said.encode()).hexdigest()
    found = None
    for token in known:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    return found


def by_mark(known: tuple[Token, ...], mark: str) -> Token | None:
    """Returns the token that a cookie remembers by its mark, if it is still allowed."""
    return next((token for token in known if token.mark == mark), None)
