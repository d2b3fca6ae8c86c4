"""Pictures under which engine or server died twice; a restart forgets none."""

import functools
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

from jaxrestore import files
from jaxrestore.serving import keys
from jaxrestore.serving.refusals import Refusal

KEPT_S = 86_400


class Quarantine:
    """Files by their SHA-256, for a day each.

    What is written down of them is an HMAC by the folder's key, in a file beside that:
    who has this file alone cannot tell whether a picture that they have is in it.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]):
        """Reads nothing yet."""
        self._folder, self._clock = folder, clock
        self._place = folder / "quarantine.json"

    def add(self, sha256: str) -> None:
        """Takes a file in, which `write` writes down."""
        now = self._clock()
        kept = {mark: until for mark, until in self._until.items() if until > now}
        self._until = {**kept, self._mark(sha256): now + KEPT_S}

    def write(self) -> None:
        """Writes down what is in it; raises `DiskError`. May be called in a thread."""
        files.write_json(self._place, self._until)

    def check(self, sha256: str) -> None:
        """Raises 422 for a file that is in it."""
        if self._until.get(self._mark(sha256), 0.0) > self._clock():
            raise Refusal(
                422,
                "quarantined",
                "The picture is not taken",
                "The server stopped twice while it worked on this picture, so it is "
                "not taken again for a day; save it anew, or make it smaller.",
            )

    def _mark(self, sha256: str) -> str:
        return hmac.new(self._key, sha256.encode(), hashlib.sha256).hexdigest()

    @functools.cached_property
    def _key(self) -> bytes:
        return keys.of(self._folder)

    @functools.cached_property
    def _until(self) -> dict[str, float]:
        """When each is taken again, by its mark; what cannot be read says nothing."""
        try:
            read = json.loads(self._place.read_bytes())
            return {str(mark): float(until) for mark, until in read.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
