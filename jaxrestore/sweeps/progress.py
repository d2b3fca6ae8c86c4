"""What a sweep says of itself: the disk it will take, each cell as it starts, the time.

Time is that of the cells that were trained before in the same call; nothing is guessed.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxrestore import errors
from jaxrestore.runs import checkpoints
from jaxrestore.training import cost, logbook, recipe, setup

KEEP = ("all", "generator")
_MUCH = 2**30  # bytes from which on the other way is named
_IMAGES = 1000.0  # of an epoch, on which no size depends

Task = Callable[..., Any]


class Progress:
    """Trains cells as `train` and `together` do, saying which and what is left.

    Of `count` cells, on so many `places` at once. With `keep="generator"` each is left
    with `checkpoints.keep_generators` alone.
    """

    def __init__(
        self,
        count: int,
        places: int,
        keep: str,
        train: Task,
        together: Task,
        say: Callable[[str], object],
    ):
        """Begins before the first of the cells."""
        self._count, self._places, self._keep = count, places, keep
        self._train, self._together, self._say = train, together, say
        self._begun = 0
        self._seconds: list[float] = []  # of each cell that ended

    def train(
        self,
        config: Mapping[str, Any],
        workdir: Path,
        *,
        devices: Any,
        stop: Any = None,
    ) -> Any:
        """Trains one cell, on these devices; `stop` is watched instead of signals."""
        watched = {} if stop is None else {"stop": stop}
        with self._cells([workdir]):
            return self._train(config, workdir, devices=devices, **watched)

    def together(
        self,
        configs: Sequence[Mapping[str, Any]],
        workdirs: Sequence[Path],
        mode: str,
        *,
        devices: Any,
    ) -> Any:
        """Trains cells by one program, in this mode and on these devices."""
        with self._cells(workdirs):
            return self._together(configs, workdirs, mode, devices=devices)

    @contextlib.contextmanager
    def _cells(self, folders: Sequence[Path]) -> Iterator[None]:
        first = self._begun + 1
        self._begun += len(folders)
        which = f"{first}" if len(folders) == 1 else f"{first} to {self._begun}"
        names = ", ".join(folder.name for folder in folders)
        self._say(f"cell {which} of {self._count}: {names}{self._left(first)}")
        started = time.perf_counter()
        yield
        self._seconds += [(time.perf_counter() - started) / len(folders)] * len(folders)
        if self._keep == "generator":
            for folder in folders:
                checkpoints.keep_generators(folder)

    def _left(self, first):
        if not self._seconds:
            return ""
        mean = sum(self._seconds) / len(self._seconds)
        left = mean * (self._count - first + 1) / self._places
        return f"; {logbook.duration(left)} left, at {logbook.duration(mean)} a cell"


def checkpoint_bytes(config: Mapping[str, Any]) -> tuple[int, int] | None:
    """Returns the bytes of a run's checkpoint, and of the generator in it.

    None for a config that cannot be meant: it will fail by its own name.
    """
    try:
        config = recipe.in_steps(config, _IMAGES)
        built = recipe.assemble(config, epoch=_IMAGES)
        make = setup.initial(built, config)
        state = jax.eval_shape(make, jax.random.key(0))
    except (errors.UserError, ValueError, TypeError, LookupError):
        return None
    restorer = cost.held(state.ema)
    return cost.held(state) + restorer, restorer


def disk(sizes: tuple[int, int], count: int, keep: str, output: Path) -> str:
    """Returns a line: what so many cells of these `sizes` take, and what is free.

    The sizes are those of the first cell, as `checkpoint_bytes` has them.
    """
    whole, restorer = sizes
    kept, words = checkpoints.KEPT, cost.in_words
    # One cell is still whole while it trains.
    small = count * kept * restorer + kept * whole
    needed = count * kept * whole if keep == "all" else small
    place = next(x for x in (output, *output.absolute().parents) if x.is_dir())
    free = shutil.disk_usage(place).free
    line = (
        f"disk: up to {words(needed)} of checkpoints, if all cells are as large as the "
        f"first; {words(free)} are free"
    )
    if keep == "all" and (needed > free or needed > _MUCH):
        line += f". With `keep` generator it is up to {words(small)}"
    return line
