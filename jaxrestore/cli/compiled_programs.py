"""Compiled programs that are kept on disk, so that a second start is quick.

jax keeps them where the variable JAX_COMPILATION_CACHE_DIR says. The command line says
so itself, before jax is loaded: a folder of the user's, of `MOST` bytes, and of this
processor, since what was compiled for another one may not run here.
"""

import contextlib
import glob
import hashlib
import os
import platform
import re
import stat
import warnings
from collections.abc import Mapping, MutableMapping
from pathlib import Path

MOST = 2**30  # bytes
SWITCH = "JAXRESTORE_CACHE"  # a folder, or off

_UNREADABLE = r"Error reading persistent compilation cache entry for '(\w+)'"


def keep(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Returns the folder that jax will keep its programs in; None where it will not.

    That is `JAXRESTORE_CACHE`, or `jaxrestore` below `XDG_CACHE_HOME` or `~/.cache`.
    Nothing is kept where JAXRESTORE_CACHE is `off` or the folder cannot be written, and
    nothing is changed where jax has been told a folder. The least recent programs
    beyond `MOST` are removed.
    """
    if "JAX_COMPILATION_CACHE_DIR" in environment:
        return None
    chosen = environment.get(SWITCH, "")
    if chosen.lower() == "off":
        return None
    try:
        folder = _place(chosen, environment) / f"programs-{_processor()}"
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        _prune(folder)
    except (OSError, RuntimeError):  # no home, a full disk, a file in the way
        return None
    environment["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    return folder


def mend(folder: Path) -> None:
    """Has programs removed that jax cannot read.

    By itself jax warns of such a file at each start, compiles, and leaves it there:
    `findings/damaged_program_stays.sh`. The warning holds the program's name alone.
    """
    show = warnings.showwarning

    def shown(message, *place, **options):
        found = re.match(_UNREADABLE, str(message))
        if found is None:
            show(message, *place, **options)
            return
        for file in folder.glob(f"{glob.escape(found[1])}-*"):
            with contextlib.suppress(OSError):
                file.unlink()

    warnings.showwarning = shown


def _place(chosen: str, environment: Mapping[str, str]) -> Path:
    if chosen:
        return Path(chosen).expanduser()
    cache = environment.get("XDG_CACHE_HOME")
    return Path(cache or Path("~/.cache").expanduser()) / "jaxrestore"


def _processor() -> str:
    """A few letters that stand for what the processor can do."""
    told = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        kinds = ("flags", "Features", "model name")
        told += sorted({line for line in lines if line.startswith(kinds)})
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]


def _prune(folder: Path) -> None:
    found = []
    for file in folder.rglob("*"):  # jax has folders of its own in there
        with contextlib.suppress(OSError):  # another process has removed it
            facts = file.stat()
            if stat.S_ISREG(facts.st_mode):
                found.append((max(facts.st_atime, facts.st_mtime), facts.st_size, file))
    room = MOST
    for _, size, file in sorted(found, reverse=True):
        room -= size
        if room < 0:
            with contextlib.suppress(OSError):
                file.unlink()
