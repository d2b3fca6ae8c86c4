"""Numbers and states of the web app as people read them."""

import datetime
from collections.abc import Mapping
from typing import Any

from jaxrestore.serving.values import Image, Job, Status

TIMES = "\N{MULTIPLICATION SIGN}"
METHODS = {
    "network": "Trained network",
    "prior": "Fitted to this picture",
    "classical": "Classical method",
}
METHODS_HELP = {
    "network": "takes seconds",
    "prior": "needs no training, takes minutes, and can be watched and stopped",
    "classical": "a formula without training, quick",
}
ENDED = {
    Status.DONE: "Done",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
    Status.EXPIRED: "Expired",
}


def duration(seconds: float | int) -> str:
    """Returns seconds in the largest units that matter: "2 min", "1 h 5 min", "8 s".

    Example: `duration(65)` is "1 min 5 s", `duration(0.24)` is "0.2 s".
    """
    if seconds < 0:
        seconds = 0
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 600:
        return f"{seconds // 60} min" + (f" {seconds % 60} s" if seconds % 60 else "")
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def days(seconds: float | int) -> str:
    """Returns seconds as whole days: "30 days"."""
    return f"{round(seconds / 86_400)} days"


def remaining(seconds: float | int) -> str:
    """Returns an estimate as one says it: "about 40 s", "less than 5 s".

    Rounded to what an estimate can promise: 5 s below a minute, half minutes below ten.
    """
    if seconds < 5:
        return "less than 5 s"
    if seconds < 57.5:
        return f"about {round(seconds / 5) * 5} s"
    if seconds < 600:
        return f"about {duration(round(seconds / 30) * 30)}"
    return f"about {duration(seconds)}"


def amount(count: float | int) -> str:
    """Returns bytes in decimal units, as files are shown: "3.4 MB"."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.5:
            digits = 1 if unit == "MB" and count < 10 else 0
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def limit(count: float | int) -> str:
    """Returns a limit in bytes, which is a round number of MiB or none: "32 MB"."""
    return f"{count / 2**20:g} MB" if count >= 2**20 else f"{count / 2**10:g} kB"


def ordinal(number: int) -> str:
    """Returns 1st, 2nd, 3rd, 4th, 11th, 21st …"""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def until(expires: float | int, now: float | int) -> str:
    """Returns how long something is kept: "28 min", or "less than a minute"."""
    seconds = expires - now
    return "less than a minute" if seconds < 60 else duration(60 * (seconds // 60))


def clock(time: float | int) -> str:
    """Returns a time in ISO 8601, as the `datetime` of an HTML `time` is."""
    return datetime.datetime.fromtimestamp(time, datetime.UTC).isoformat("T", "seconds")


def standing(job: Job) -> str:
    """Returns one sentence on where a job is: its place in line, what is done, why not.

    Example: "Waiting: 3rd in line, about 40 s left."
    """
    left = "" if job.eta_s is None else f", {remaining(job.eta_s)} left"
    if job.status is Status.QUEUED:
        place = (
            "in line" if job.position is None else f"{ordinal(job.position)} in line"
        )
        return f"Waiting: {place}{left}."
    if job.status is Status.RUNNING and not job.share:
        fit = "; a fit takes a minute or two to begin" if job.method == "prior" else ""
        return f"Working: it has begun{fit}{left}."
    if job.status is Status.RUNNING:
        return f"Working: {100 * job.share:.0f} % done{left}."
    sentence = job.detail or ""
    return f"{ENDED[job.status]}. {sentence}".strip()


def spoken(job: Job) -> str:
    """Returns `standing` for screen readers: it changes at each quarter."""
    if job.status is Status.QUEUED:
        return "Waiting" + (
            f", {ordinal(job.position)} in line" if job.position else ""
        )
    if job.status is Status.RUNNING:
        quarters = ("begun", "a quarter done", "half done", "three quarters done")
        return f"Working, {quarters[min(3, int(4 * job.share))]}"
    return standing(job)


def picture(image: Image) -> str:
    """Returns what a picture is: "640 x 480 px, colour, 16 bits, PNG"."""
    kind = "grey" if image.channels < 3 else "colour"
    alpha = " with transparency" if image.alpha else ""
    size = f"{image.width} {TIMES} {image.height} px"
    return f"{size}, {kind}{alpha}, {image.bits} bits, {image.format}"


_ROWS = (
    ("queued_s", "Waited", duration),
    ("run_s", "Computed", duration),
    ("device", "On", str),
    ("tiles", "Tiles", str),
    ("iterations", "Steps of the fit", str),
    ("sigma_in", "Noise before (estimate, of 255)", "{:.1f}".format),
    ("sigma_out", "Noise after", "{:.1f}".format),
    ("blockiness_in", "Blocks of JPEG before (1: none)", "{:.2f}".format),
    ("blockiness_out", "Blocks of JPEG after", "{:.2f}".format),
    ("sharpness_in", "Sharpness before (steps, of 255)", "{:.1f}".format),
    ("sharpness_out", "Sharpness after", "{:.1f}".format),
)


def measured(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns rows (what, how much) of a job's numbers, those that people read."""
    return [
        (label, write(numbers[key]))
        for key, label, write in _ROWS
        if numbers.get(key) is not None
    ]
