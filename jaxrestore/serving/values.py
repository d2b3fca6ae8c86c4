"""What the parts of the web app hand to each other: values, frozen and picklable.

Times are seconds since 1970, as `time.time` has them; durations are seconds. Ids are 32
hexadecimal digits. Owners are words that the HTTP side makes up: of a session or of a
token; nothing here knows what they mean.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Status(enum.StrEnum):
    """Where a job is; see `NEXT` for how it may go on."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


# How a job may go on. It goes back to the queue where engine or server died under it.
NEXT: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset(
        {Status.RUNNING, Status.FAILED, Status.CANCELLED, Status.EXPIRED}
    ),
    Status.RUNNING: frozenset(
        {Status.DONE, Status.FAILED, Status.CANCELLED, Status.QUEUED}
    ),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
}
FINAL = frozenset(status for status, after in NEXT.items() if not after)

ENLARGE = "sr"  # the task that has a network for each scale
_ENLARGES = re.compile("sr_x[234]")
METHODS = ("network", "prior", "classical")
SOURCES = ("web", "api", "batch")


@dataclass(frozen=True)
class Image:
    """An upload, decoded: [height, width, channels] of 8 or 16 `bits`, upright.

    `channels` are 1 (grey), 2 (and alpha), 3 (colour) or 4. `format` is Pillow's name
    of what was uploaded, `bytes` and `sha256` are of that; `stem` is the name it had
    there, without suffix and harmless, for downloads; it stays in the spool. `notices`
    are sentences on what should be known, such as a profile that could not be used.
    `cells`: whether it was a JPEG file that says what its original may be; see
    `cells.write`.
    """

    id: str
    owner: str
    width: int
    height: int
    channels: int
    bits: int
    alpha: bool
    format: str
    bytes: int
    sha256: str
    stem: str
    created: float
    expires: float
    notices: tuple[str, ...] = ()
    cells: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


@dataclass(frozen=True)
class Job:
    """One image restored in one way, as it stands at one moment.

    `options` are those of the task: `level`, `strength`, `scale`, `ensemble`. `share`
    is what is done, 0 to 1. `position` counts from 1, of a queued job; `eta_s` are the
    seconds until it ends, where they can be told. `code` is a word for programs and
    `detail` a sentence for people: why it did not end well. `numbers` are what was
    measured: `queued_s`, `run_s`, `width`, `height`, what the engine adds. `source`
    says by which door it came, one of `SOURCES`; `tries` how often it was begun.
    """

    id: str
    owner: str
    image_id: str
    task: str
    method: str
    created: float
    expires: float
    options: Mapping[str, Any] = field(default_factory=dict)
    batch_id: str | None = None
    mask_id: str | None = None
    source: str = "api"
    status: Status = Status.QUEUED
    share: float = 0.0
    position: int | None = None
    eta_s: float | None = None
    started: float | None = None
    finished: float | None = None
    code: str | None = None
    detail: str | None = None
    tries: int = 0
    preview: int = 0  # how many previews there have been; `Service.job_preview`
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether it will not change any more."""
        return self.status in FINAL


@dataclass(frozen=True)
class Batch:
    """Several images of one owner restored in the same way.

    `jobs` are ids, in the order of the files; `skipped` says of other files, by name,
    why they are left out.
    """

    id: str
    owner: str
    task: str
    jobs: tuple[str, ...]
    created: float
    expires: float
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A network of a task, by the name of its weights; sides grow by its `scale`."""

    name: str
    architecture: str
    license: str
    sha256: str
    scale: int = 1


def task_of(network: str) -> str:
    """Returns the task of a network by its name: of `sr_x2` to `sr_x4` it is `sr`.

    >>> task_of("sr_x4"), task_of("denoise")
    ('sr', 'denoise')
    """
    return ENLARGE if _ENLARGES.fullmatch(network) else network


@dataclass(frozen=True)
class TaskInfo:
    """What can be done to a picture, and by what.

    `methods` are those of `METHODS` that are at hand, the best one first; `why_not` has
    a sentence for each of the others. `options` is a JSON Schema of the object that a
    job's `options` are; `scales` are what sides may grow by. Of several `networks` each
    has another scale.
    """

    name: str
    label: str
    help: str
    methods: tuple[str, ...]
    why_not: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    scales: tuple[int, ...] = (1,)
    needs_mask: bool = False
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class EngineStatus:
    """How the engine is: `ready` once it is warm, `alive` while its process is.

    `slots` is how many jobs may be with it at once, and `running` how many are. Where
    there are several `devices`, these say how each is, by the name in the settings.
    """

    ready: bool
    alive: bool
    restarts: int = 0
    heartbeat_age_s: float = 0.0
    device: str = ""
    tasks: tuple[TaskInfo, ...] = ()
    running: int = 0
    slots: int = 1
    memory: int = 0
    devices: Mapping[str, "EngineStatus"] = field(default_factory=dict)

    @property
    def sharing(self) -> tuple[str, ...]:
        """The devices that share the jobs, by name; "" is the only one."""
        return tuple(name for name, one in self.devices.items() if one.ready) or ("",)


@dataclass(frozen=True)
class Order:
    """A job as the engine is told of it.

    `source` is a .npy file of [h, w, c], uint8 or uint16, straight alpha last where
    there are 2 or 4 channels. `mask` is a .npy file of [h, w], bool, True where the
    picture is missing. `cells`, of what was a JPEG file, is what `cells.write` wrote of
    it. The engine writes the result to `destination`, and what there is on the
    way, where that is of use, to `preview`: .npy files of the same kind as the source,
    by `files.write_bytes`. One that is `alone` has died with the engine before: nothing
    runs beside it on its device, so that nothing dies with it.
    """

    job: str
    owner: str
    task: str
    method: str
    source: Path
    destination: Path
    mask: Path | None = None
    cells: Path | None = None
    preview: Path | None = None
    alone: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """The engine is warm, after so many seconds."""

    tasks: tuple[TaskInfo, ...]
    device: str
    seconds: float


@dataclass(frozen=True)
class Started:
    """A job is begun."""

    job: str


@dataclass(frozen=True)
class Progressed:
    """So much of a job is done, 0 to 1; `preview`: there is a new one."""

    job: str
    share: float
    preview: bool = False


@dataclass(frozen=True)
class Ended:
    """A job is over: `DONE`, its result written, `FAILED` or `CANCELLED`.

    `code` and `detail` say why it failed, as those of `Job`.
    """

    job: str
    status: Status
    code: str | None = None
    detail: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Died:
    """The engine's process died under a job, which it knows no more."""

    job: str


@dataclass(frozen=True)
class Beat:
    """The engine's process lives, and has so many bytes resident."""

    at: float
    memory: int


@dataclass(frozen=True)
class Took:
    """What a child was called for, as `decode` or `encode`, and how long it took."""

    what: str
    seconds: float


Event = Ready | Started | Progressed | Ended | Died | Beat
