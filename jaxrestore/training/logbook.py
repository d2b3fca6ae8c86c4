"""What a person sees of a run: lines, a progress bar, TensorBoard and metrics.jsonl.

The only file that imports clu's writers and tensorboardX. Each loads a large package
that writing numbers and images does without, seconds at every start, and clu fails
where TensorFlow is absent or of a version that it does not know; both are kept away.
"""

import contextlib
import json
import math
import sys
import time
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rich.console
import rich.progress
from jaxtyping import UInt8

from jaxrestore import files
from jaxrestore.evaluation import outcome


def _summary_writer(*args, **options):
    """clu's own event writer, loaded (TensorFlow with it) when somebody asks for it."""
    from clu.metric_writers.tf.summary_writer import SummaryWriter

    return SummaryWriter(*args, **options)


@contextlib.contextmanager
def _absent(name: str) -> Iterator[None]:
    """Within, `import name` raises ImportError, unless it was imported before."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        del sys.modules[name]


_lazy = types.ModuleType("clu.metric_writers.summary_writer")
_lazy.SummaryWriter = _summary_writer  # pyright: ignore[reportAttributeAccessIssue]
sys.modules.setdefault(_lazy.__name__, _lazy)

with _absent("torch"):
    import tensorboardX
    from clu import metric_writers

_PLAIN_SECONDS = 10.0  # between progress lines where there is no terminal


class _Writer(metric_writers.MetricWriter):
    """A writer of scalars and images; this package logs nothing else."""

    def write_scalars(self, step, scalars):
        raise NotImplementedError

    def write_images(self, step, images):
        """Keeps none, unless a subclass does."""

    def _refuse(self, *args, **options):
        raise TypeError(f"{type(self).__name__} keeps scalars and images only")

    write_summaries = write_videos = write_audios = _refuse
    write_texts = write_histograms = write_hparams = _refuse

    def flush(self):
        """Has nothing waiting, unless a subclass does."""

    def close(self):
        """Holds nothing open, unless a subclass does."""


class TensorBoard(_Writer):
    """Event files, by tensorboardX; what was written after `step` before is purged.

    Scores of the output and of its input, and the rates of both players, stand on one
    chart each under Custom scalars, and the `config` under Text.
    """

    def __init__(self, folder: Path, step: int, config: str = ""):
        """Opens a new event file in `folder`."""
        purge = step + 1 if step else None
        self._writer = tensorboardX.SummaryWriter(str(folder), purge_step=purge)
        self._paired: set[str] = set()
        if config:
            indented = "\n".join(f"    {line}" for line in config.splitlines())
            self._writer.add_text("config", indented, step)

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Writes numbers."""
        named = {_tensorboard_name(name): value for name, value in scalars.items()}
        for name, value in named.items():
            self._writer.add_scalar(name, float(value), step)
        if not self._paired.issuperset(named):
            self._paired |= named.keys()
            self._writer.add_custom_scalars(_charts(self._paired))

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        """Writes uint8 images [h, w, 3]."""
        for name, image in images.items():
            self._writer.add_image(name, np.asarray(image), step, dataformats="HWC")

    def flush(self) -> None:
        """Writes out what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


def _tensorboard_name(name):
    player, _, what = name.partition("/")
    return f"learning_rate/{player}" if what == "rate" else name


def _charts(names):
    """The lines that belong on one chart, by the chart."""
    inputs = sorted(n for n in names if n.startswith("evaluation/degraded_"))
    pairs = [(n.replace("degraded_", ""), n) for n in inputs]
    scores = {
        f"{output.split('/')[1]}: output and input": ["Multiline", [output, given]]
        for output, given in pairs
    }
    rates = sorted(n for n in names if n.startswith("learning_rate/"))
    charts = {"learning rate": ["Multiline", rates]} if rates else {}
    groups = {"evaluation": scores, "training": charts}
    return {name: group for name, group in groups.items() if group}


class JsonLines(_Writer):
    """`metrics.jsonl`: one line of numbers a call; lines after `step` are dropped.

    A run that was killed and resumed repeats the steps since its checkpoint; so its
    file holds every step once.
    """

    def __init__(self, path: Path, step: int):
        """Opens `path` for appending."""
        kept = [row for row in outcome.read_history(path) if row["step"] <= step]
        files.write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = path.open("a")

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Appends a line; a number that is not finite becomes null."""
        row: dict[str, Any] = {"step": step}
        for name, value in scalars.items():
            row[name] = float(value) if math.isfinite(value) else None
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Logbook:
    """The writers and the progress bar of one run; only process 0 has any."""

    def __init__(
        self,
        workdir: Path,
        *,
        step: int,
        steps: int,
        active: bool = True,
        label: str = "",
    ):
        """Begins at `step` of `steps`; nothing is written or shown if not `active`.

        A `label` marks one of several runs: its lines begin with it, and it has no bar.
        """
        self._label = f"{label}: " if label else ""
        self.console = rich.console.Console(quiet=not active, highlight=False)
        self._steps = steps
        self._spoken = 0.0
        self._first: tuple[float, int] | None = None  # when a step was logged
        writers: list[metric_writers.MetricWriter] = []
        if active:
            writers = [
                TensorBoard(workdir / "tensorboard", step, _text(workdir)),
                JsonLines(workdir / "metrics.jsonl", step),
            ]
        self._writer = metric_writers.MultiWriter(writers)
        column = rich.progress.TextColumn
        self._bar = rich.progress.Progress(
            column("step {task.completed:.0f}/{task.total:.0f}"),
            rich.progress.BarColumn(bar_width=24),
            column("{task.description}"),
            column("left"),
            rich.progress.TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not (active and self.console.is_terminal and not label),
        )
        self._task = self._bar.add_task("", total=steps, completed=step)

    def __enter__(self) -> "Logbook":
        """Shows the bar."""
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Takes the bar away and closes the files."""
        self._bar.stop()
        self._writer.flush()
        self._writer.close()

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self.console.print(self._label + text, markup=False, soft_wrap=True)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes numbers of a step to TensorBoard and metrics.jsonl."""
        self._writer.write_scalars(step, scalars)

    def show(self, step: int, strips: Mapping[str, UInt8[np.ndarray, "h w 3"]]) -> None:
        """Writes sample strips to TensorBoard and brings everything to the disk."""
        named = {f"strip/{name}": image for name, image in strips.items()}
        self._writer.write_images(step, named)  # pyright: ignore
        self._writer.flush()

    def progress(self, step: int, scalars: Mapping[str, float]) -> None:
        """Moves the bar to `step`; without a terminal, prints a line now and then.

        The time that is left follows from the steps since the first call, so that
        compiling and painting do not count; before the second call it is not known.
        """
        text = describe(scalars)
        self._bar.update(self._task, completed=step, description=text)
        now = time.perf_counter()
        started, first = self._first = self._first or (now, step)
        quiet = now - self._spoken < _PLAIN_SECONDS and step < self._steps
        if self.console.is_terminal or quiet:
            return
        self._spoken = now
        if step > first:
            left = (self._steps - step) * (now - started) / (step - first)
            text = f"{text}  left {duration(left)}"
        self.say(f"step {step}/{self._steps}  {text}")


def _text(workdir: Path) -> str:
    """The config of the run, as its file has it; "" where there is none."""
    path = workdir / "config.json"
    return path.read_text() if path.is_file() else ""


def describe(scalars: Mapping[str, float]) -> str:
    """Returns the few numbers of a step that fit on a line."""
    forms = {
        "images_per_second": "{:.1f} images/s",
        "generator/loss": "G {:.4f}",
        "discriminator/loss": "D {:.4f}",
        "train/psnr": "PSNR {:.2f} dB",
        "train/psnr_gain": "gain {:+.2f} dB",
    }
    shown = [
        form.format(scalars[name]) for name, form in forms.items() if name in scalars
    ]
    return "  ".join(shown)


def duration(seconds: float) -> str:
    """Returns a time in words: `48 s`, `12 min`, `7.5 h`, `12 days`."""
    for unit, size in (("s", 1), ("min", 60), ("h", 3600)):
        if seconds < {"s": 100, "min": 5400, "h": 172_800}[unit]:
            number = f"{seconds / size:.1f}" if unit == "h" else f"{seconds / size:.0f}"
            return f"{number} {unit}"
    return f"{seconds / 86_400:.0f} days"
