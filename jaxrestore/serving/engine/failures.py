"""What is told of a job that fails: a word for programs, and a sentence for people.

Whoever ordered it has no arguments of the library and no disk of ours to look at.
"""

from jaxrestore import errors


class TooLong(errors.UserError):
    """The job has taken all the time that it may."""


# What programs are told of errors of the library, the first that fits.
_CODES = (
    (TooLong, "too_long"),
    (errors.OutOfMemoryError, "out_of_memory"),
    (errors.ImageError, "bad_image"),
    (errors.ConfigError, "bad_options"),
    (errors.TrainingError, "not_finite"),
    (errors.MismatchError, "bad_weights"),
    (errors.DamagedError, "bad_weights"),
    (errors.NoInputError, "bad_weights"),
    (errors.DiskError, "disk"),
)
# In place of what the library says, which names places, or what only its callers have.
_OURS = {
    "out_of_memory": "It needs more memory than the server has for a picture; make it "
    "smaller, or choose another method.",
    "not_finite": "The method came to numbers that make no picture; choose another "
    "method.",
    "bad_weights": "The weights of the network are damaged; choose another method.",
    "disk": "The server could not read the picture or write the result; try again.",
}


def of(error: errors.UserError) -> tuple[str, str]:
    """Returns the word and the sentence for an error of the library.

    >>> failures.of(errors.ImageError("it is 3x3 px; take a larger image"))
    ('bad_image', 'it is 3x3 px; take a larger image')
    """
    kinds = (code for kind, code in _CODES if isinstance(error, kind))
    code = next(kinds, "failed")
    return code, _OURS.get(code, str(error))
