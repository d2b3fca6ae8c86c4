"""Why the web app does not do what it is asked for, as whoever asks is told."""

from jaxrestore import errors


class Refusal(errors.UserError):
    """What is asked for is not done; the HTTP side answers it as a problem (RFC 9457).

    `status` is HTTP's, `code` a word for programs, `title` a few words for people, and
    `detail` a sentence or two: what was found, the limit, and what to do about it.
    `limit` is the number that was passed; `retry_after` the seconds after which it is
    worth to ask again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        limit: float | int | None = None,
        retry_after: float | int | None = None,
    ):
        """Keeps what it is given; the message is the `detail`."""
        super().__init__(detail)
        self.status, self.code, self.title = status, code, title
        self.detail, self.limit, self.retry_after = detail, limit, retry_after

    @property
    def arguments(self) -> list[str | float | int | None]:
        """What it was made of, in order, to make it again elsewhere."""
        own = [self.status, self.code, self.title, self.detail]
        return [*own, self.limit, self.retry_after]


def not_found(what: str) -> Refusal:
    """Returns the refusal of an id that no "image", "job", "mask" or "batch" has."""
    return Refusal(
        404,
        f"no_{what}",
        f"There is no such {what}",
        f"There is no {what} with this id; it may have been deleted.",
    )


def no_room(error: Exception) -> Refusal | None:
    """Returns the refusal of what met a disk that is full or cannot be written.

    None for another error.
    """
    disk = isinstance(error, errors.DiskError)
    if not disk and not isinstance(errors.explained(error), errors.DiskError):
        return None
    return Refusal(
        507,
        "disk_full",
        "The server has no room",
        "The server cannot write to its disk, so nothing was taken; try again later.",
        retry_after=60,
    )


def gone(what: str) -> Refusal:
    """Returns the refusal of something that was deleted, by whomever."""
    return Refusal(
        410,
        "expired",
        f"The {what} is gone",
        f"This {what} was deleted, because its time was over or somebody asked for it; "
        "upload the picture again.",
    )


def busy(limit: int | None) -> Refusal:
    """Returns the refusal of a file while all children have one, and others wait."""
    return Refusal(
        503,
        "busy",
        "The server is busy",
        "Too many pictures are being read and written at once; try again in a few "
        "seconds.",
        limit,
        retry_after=5,
    )


def died() -> Refusal:
    """Returns the refusal of a file that ended the process that read it."""
    return Refusal(
        422,
        "unreadable",
        "The picture cannot be read",
        "Its file ended the process that read it, so it was given up; save the picture "
        "anew, as PNG for example.",
    )


def no_memory() -> Refusal:
    """Returns the refusal of a picture that more memory would be needed for."""
    return Refusal(
        413,
        "too_much_memory",
        "The picture needs too much memory",
        "It needs more memory than one picture may take here; make it smaller.",
    )
