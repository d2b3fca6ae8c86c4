"""Every limit, path and time of the web app, in one place, and checked."""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

from jaxrestore import errors

_MIB = 2**20


@dataclass(frozen=True)
class Settings:
    """How the web app is run.

    `folder` holds all that it writes: the spool of pixels, the records, the compiled
    programs, unless these have places of their own. Sizes are bytes, or px where they
    are called so; times are seconds. Networks are those that ship, and others in
    `models`.

    Raises `ConfigError` for what cannot be meant.
    """

    folder: Path
    spool: Path | None = None
    database: str | None = None  # an URL of SQLAlchemy; None: SQLite in the folder
    programs: Path | None = None  # compiled ones
    models: Path | None = None
    study: Path | None = None  # of raters, whose pages are at /study/

    # Where it listens, and who may talk to it.
    host: str = "127.0.0.1"
    port: int = 8080
    socket: Path | None = None
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "::1")
    proxies: tuple[str, ...] = ()  # addresses and networks that say who asks
    origins: tuple[str, ...] = ()  # of other pages that may call the API
    tokens_file: Path | None = None
    insecure_public: bool = False
    secure: bool = False  # behind TLS: cookies and HSTS say so

    # What an upload may be.
    max_bytes: int = 32 * _MIB
    max_pixels: int = 40_000_000
    max_side: int = 8192
    min_side: int = 8
    max_aspect: float | int = 32.0
    max_result_pixels: int = 64_000_000
    max_fit_pixels: int = 250_000  # of a result that the prior fits: 3 GB of memory
    preview_side: int = 2048
    max_batch_images: int = 200
    max_batch_bytes: int = 256 * _MIB
    max_zip_ratio: float | int = 100.0

    # The children that read and write image files.
    decoders: int = 2
    decode_s: float | int = 10.0
    encode_s: float | int = 60.0
    decode_memory: int = 2048 * _MIB
    max_waiting_decodes: int = 64

    # Who may ask for how much.
    max_jobs: int = 64  # queued and running, of all
    max_queue_s: float | int = 120.0  # of work, where that can be told
    max_queued_s: float | int = 600.0  # that a job waits, then it expires
    owner_jobs: int = 4
    owner_pixels: int = 60_000_000
    owner_uploads: int = 30  # a minute
    address_uploads: int = 300  # a minute, of all owners at an address
    address_requests: int = 6000  # a minute, of any kind
    max_batches: int = 4  # at work, of all; of an owner there is one
    owner_streams: int = 6
    owner_spool: int = 4096 * _MIB
    max_spool: int = 16_384 * _MIB
    least_free: int = 512 * _MIB  # on the disk of the spool

    # The engine, or one for each of several devices.
    devices: tuple[str, ...] = ()  # numbers or UUIDs, as CUDA_VISIBLE_DEVICES has them
    slots: int = 4  # of a device
    heartbeat_s: float | int = 10.0  # without one it is not ready
    run_s: float | int = 1800.0  # of a job, then it fails
    idle_release_s: float | int | None = None
    priority: int = 10  # how nice its process is

    # How long things last.
    kept_s: float | int = 1800.0
    sweep_s: float | int = 60.0
    records_days: int = 90
    drain_s: float | int = 30.0
    max_wait_s: float | int = 30.0

    # How slow a client may be.
    header_s: float | int = 10.0
    body_s: float | int = 30.0
    body_rate: int = 1024  # bytes a second
    write_s: float | int = 30.0

    def __post_init__(self):
        """Checks them all."""
        for one in fields(self):
            value = getattr(self, one.name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            most = _LONGEST if one.name.endswith(("_s", "_days")) else _MOST
            if number and value > most:
                raise errors.ConfigError(
                    f"`{one.name}` is {value:g}; it must be {most:,} at most"
                )
            if number and (not value >= 0 or (value == 0 and _counts(one))):
                raise errors.ConfigError(
                    f"`{one.name}` is {value}; it must be a number above 0"
                )
        if self.min_side > self.max_side:
            raise errors.ConfigError(
                f"`min_side` is {self.min_side} px, and `max_side` {self.max_side}; no "
                "picture is both"
            )
        for one in self.proxies:
            _check_network(one)
        for one in self.hosts:
            _check_name(one)
        for one in self.origins:
            _check_origin(one)
        for number, one in enumerate(self.devices):
            _check_device(one, self.devices[:number])
        if not 0 <= self.port < 2**16:
            raise errors.ConfigError(f"`port` is {self.port}; it is 0 to 65535")
        if self.preview_side > 16_383:
            raise errors.ConfigError(
                f"`preview_side` is {self.preview_side} px; it is 16,383 at most"
            )

    @property
    def spool_folder(self) -> Path:
        """Where pixels are until they expire."""
        return self.spool or self.folder / "spool"

    @property
    def programs_folder(self) -> Path:
        """Where compiled programs are kept."""
        return self.programs or self.folder / "programs"

    @property
    def database_url(self) -> str:
        """Where the records are, as SQLAlchemy takes it."""
        return self.database or f"sqlite:///{self.folder / 'records.sqlite'}"


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"`proxy` {text} is no address, such as 192.0.2.1, nor a network, such as "
            "10.0.0.0/8"
        ) from error


_MOST = 10**15  # of anything
_LONGEST = 10**9  # seconds: what is added to now is still a date


def _check_name(text: str) -> None:
    if re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)*\.?", text):
        return
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise errors.ConfigError(
            f"`name` {text} is no host name; give one without http:// and port, such "
            "as restore.example.com"
        ) from error


def _check_origin(text: str) -> None:
    if not re.fullmatch(r"https?://[^/?#@\s]+", text):
        raise errors.ConfigError(
            f"`origin` {text} is no site; give one such as https://example.com, with "
            "nothing after its name or port"
        )


def _check_device(text: str, before: Collection[str]) -> None:
    if not re.fullmatch(r"\w[\w./:-]*", text):
        raise errors.ConfigError(
            f"`device` {text} is neither the number nor the UUID of one; give one such "
            "as 0, and the option again for another"
        )
    if text in before:
        raise errors.ConfigError(
            f"`device` {text} is given twice; each needs an engine of its own, once"
        )


def own_weights(folder: Path) -> dict[str, Path]:
    """Returns the files of weights in a folder of networks, by name.

    Raises `NoInputError` for a folder that is none or holds none.
    """
    if not folder.is_dir():
        raise errors.NoInputError(
            f"`models` {folder} is no folder; give one of .safetensors files with "
            "their cards"
        )
    own = sorted(folder.glob("*.safetensors"))
    if not own:
        raise errors.NoInputError(
            f"`models` {folder} holds no weights; give a folder of .safetensors files "
            "with their cards, as `jaxrestore convert` writes them"
        )
    return {file.stem: file for file in own}


# What may be 0: any free port, no niceness, nothing left free, no time at all.
_MAY_BE_ZERO = {"port", "priority", "least_free", "drain_s", "max_wait_s"}


def _counts(one) -> bool:
    return one.name not in _MAY_BE_ZERO
