"""Sessions: a signed cookie, by which a browser finds its own pictures again.

It is no account: 128 random bits, the mark of the token that it was opened with, if
tokens are needed, and a signature. `HttpOnly`, `SameSite=Strict`.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

COOKIE = "jaxrestore"
LIFE = 30 * 86_400  # seconds that a browser keeps it
_FORM = re.compile("([0-9a-f]{32})\\.([0-9a-f]{16}|)\\.([0-9a-f]{64})")


@dataclass(frozen=True)
class Session:
    """A browser: its id, 32 hexadecimal digits, and its token's mark, or nothing."""

    id: str
    mark: str = ""


class Sessions:
    """Makes and reads the cookies of sessions, with one key."""

    def __init__(self, key: bytes, secure: bool = False):
        """Signs with `key`; `secure`: cookies are for TLS alone."""
        self._key, self._secure = key, secure

    def new(self, mark: str = "") -> Session:
        """Returns a session that nobody has."""
        return Session(secrets.token_hex(16), mark)

    def cookie(self, session: Session) -> str:
        """Returns the header `Set-Cookie` of a session."""
        text = f"{session.id}.{session.mark}"
        flags = "; Secure" if self._secure else ""
        return (
            f"{COOKIE}={text}.{self._sign(text)}; Path=/; Max-Age={LIFE}; HttpOnly; "
            f"SameSite=Strict{flags}"
        )

    def forgotten(self) -> str:
        """Returns the header `Set-Cookie` that ends a session."""
        return f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"

    def read(self, cookies: str) -> Session | None:
        """Returns the session of a header `Cookie`; None without one that we signed."""
        for part in cookies.split(";"):
            name, _, value = part.strip().partition("=")
            found = _FORM.fullmatch(value) if name == COOKIE else None
            if found is None:
                continue
            text = f"{found[1]}.{found[2]}"
            if hmac.compare_digest(found[3], self._sign(text)):
                return Session(found[1], found[2])
        return None

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
