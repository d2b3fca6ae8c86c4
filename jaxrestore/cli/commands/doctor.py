"""`jaxrestore doctor`: what this installation runs on, and what it leaves unused."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import __version__, errors, files, tables
from jaxrestore.cli import compiled_programs

commands = typer.Typer()

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "pillow")


@commands.command()
def doctor(
    json: Annotated[
        Path | None, typer.Option("--json", help="A file for the same as JSON.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
) -> None:
    """Say what this installation runs on, and what is amiss.

    Versions, devices, memory, processor cores, the cache of compiled programs, and
    whether the networks that ship are whole. Notes say what could be better; exit code
    66 says that something is broken.
    """
    if json is not None and not overwrite:
        files.refuse_existing([json])
    found, notes = facts(), complaints()
    print(tables.aligned(["what", "found"], [[*map(str, x)] for x in found.items()]))
    for note in notes:
        print(f"note: {note}")
    if json is not None:
        files.write_json(json, {**found, "notes": notes})
    if broken := _broken_networks():
        raise errors.MismatchError(
            "\n  ".join(["this installation is broken", *broken])
        )


def facts() -> dict[str, Any]:
    """Returns what there is, by what it is called."""
    import jax

    devices = jax.devices()
    kinds = sorted({device.device_kind for device in devices})
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    memory = device_memory(devices[0])
    cores = f"{_usable_cores()} of {os.cpu_count()}"
    return {
        "jaxrestore": __version__,
        "python": f"{platform.python_version()}, {platform.system()}",
        **versions,
        "platform": jax.default_backend(),
        "devices": f"{len(devices)} x {', '.join(kinds)}",
        **({"memory of a device": _size(memory)} if memory else {}),
        "processor cores": cores,
        **{f"memory, {name}": _size(size) for name, size in _memory().items()},
        "compiled programs": _programs(),
    }


def complaints() -> list[str]:
    """Returns a sentence for each thing that could be better."""
    import jax

    notes = []
    accelerated = jax.default_backend() != "cpu"
    if not accelerated and Path("/dev/nvidiactl").exists():
        notes.append(
            "there is an NVIDIA GPU, and jax does not use it; "
            "pip install 'jaxrestore[cuda]', or unset JAX_PLATFORMS"
        )
    if _usable_cores() < (os.cpu_count() or 1) and not accelerated:
        notes.append(
            f"this process may use {_usable_cores()} of {os.cpu_count()} processor "
            "cores; taskset, a container or a batch system keeps the others from it"
        )
    free = _memory().get("free", 2**40)
    if free < 2**31:
        notes.append(f"only {_size(free)} of memory is free; large tiles may not fit")
    return notes


def device_memory(device: Any) -> int | None:
    """Returns how many bytes an accelerator lets jax use; None where it has no say."""
    stats = device.memory_stats() or {}
    return stats.get("bytes_limit")


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> dict[str, int]:
    """Bytes of the machine, in all and free, where the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    values = {line.split(":")[0]: line.split()[1] for line in lines}
    names = {"in all": "MemTotal", "free": "MemAvailable"}
    return {
        name: 1024 * int(values[word]) for name, word in names.items() if word in values
    }


def _programs() -> str:
    place = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if place is None:
        return f"not kept ({compiled_programs.SWITCH} is off, or no folder for them)"
    sizes = [file.stat().st_size for file in Path(place).glob("*-cache")]
    return f"{tables.counted(len(sizes), 'program')}, {_size(sum(sizes))}, in {place}"


def _broken_networks() -> list[str]:
    """A sentence for each network that ships and is not as it was."""
    from jaxrestore.inference import shipped
    from jaxrestore.weights import weight_files

    said = []
    for name in shipped.tasks():
        try:
            weight_files.load(shipped.path(name))
        except errors.UserError as error:
            said.append(str(error))
    return said


def _size(count: float | int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
