"""`Idempotency-Key`: who sends the same again, as after a lost answer, gets that.

As the draft draft-ietf-httpapi-idempotency-key-header has it. What is remembered lies
in memory, so that it is forgotten when the server ends.
"""

import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import Response

from jaxrestore.serving.refusals import Refusal

_KEYS = 10_000
_UNDER_WAY = None


class Answers:
    """The answers that were given, by who asked, where, and with which key."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        """Remembers each for so many seconds."""
        self._seconds, self._clock = seconds, clock
        self._known: OrderedDict[tuple[str, ...], tuple[float, Response | None, str]]
        self._known = OrderedDict()

    async def once(
        self,
        key: str | None,
        place: tuple[str, ...],
        fingerprint: Callable[[], Awaitable[str]],
        make: Callable[[], Awaitable[tuple[Response, str]]],
    ) -> Response:
        """Returns the answer to what has this key, made now or before.

        `make` returns it and the fingerprint of what was sent, `fingerprint` that of
        what is sent now. Raises `Refusal`: 400 for a key that cannot be one, 409 while
        the first is under way, 422 where something else was sent with this key. An
        error is not remembered.
        """
        if key is None:
            return (await make())[0]
        if not re.fullmatch("[!-~]{1,255}", key):
            told = "An Idempotency-Key has 1 to 255 visible ASCII characters."
            raise Refusal(400, "bad_key", "This key cannot be used", told)
        self._forget()
        whole = (*place, key)
        if whole in self._known:
            return await self._again(whole, fingerprint)
        self._known[whole] = (self._clock(), _UNDER_WAY, "")
        try:
            answer, print_ = await make()
        except BaseException:
            self._known.pop(whole, None)
            raise
        self._known[whole] = (self._clock(), answer, print_)
        return answer

    async def _again(
        self, whole: tuple[str, ...], fingerprint: Callable[[], Awaitable[str]]
    ) -> Response:
        _, answer, known = self._known[whole]
        if answer is None:
            told = "The first request with this Idempotency-Key is under way; wait."
            title = "It is under way"
            raise Refusal(409, "under_way", title, told, retry_after=1.0)
        if await fingerprint() != known:
            told = "Something else was sent with this Idempotency-Key; take another."
            raise Refusal(422, "key_reused", "This key was used", told)
        return answer

    def _forget(self) -> None:
        old = self._clock() - self._seconds
        while self._known:
            when, _, _ = next(iter(self._known.values()))
            if when > old and len(self._known) < _KEYS:
                return
            self._known.popitem(last=False)


async def of_chunks(chunks: AsyncIterator[bytes]) -> str:
    """Returns the fingerprint of an upload, its SHA-256."""
    found = hashlib.sha256()
    async for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def of_values(values: Any) -> str:
    """Returns the fingerprint of what JSON said."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
