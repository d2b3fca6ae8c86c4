"""Scoring a restorer on images that are degraded the same way every time."""

import functools
import time
import types
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from jaxrestore import contracts, errors, naming, programs, sharding
from jaxrestore.degradations import batched
from jaxrestore.evaluation import strips as pictures
from jaxrestore.evaluation import summaries
from jaxrestore.ops import checks, resize

WAITING_BYTES = 2**28  # of images that wait for others of their shape


class Evaluation(NamedTuple):
    """What an evaluation found.

    `rows` has one entry an image, in the order of the source: its name, `degraded_`,
    `restored_`, `gain_` of every metric, and the numbers of the probes. `strips` shows
    the images that may be shown, uint8: panels of one size side by side, which `panels`
    names (input, restored, target and error come first). `left_out` says by name why an
    image has no row.
    """

    rows: list[dict[str, Any]]
    strips: dict[str, UInt8[np.ndarray, "h w 3"]]
    seconds: float
    panels: tuple[str, ...] = pictures.PANELS
    left_out: Mapping[str, str] = types.MappingProxyType({})


class Question(NamedTuple):
    """A batch of what a restorer is asked: images of one shape, on the device.

    `indices` and `names` say which images of the source its first rows are; all rows
    beyond them are padding. `keys` [b] are what the images were degraded with, None for
    pairs. `target` [b, h, w, c] and `degraded`, what is to be restored, are float32;
    `damage` [b, h, w, 1] is 1 where pixels were lost, and None where nobody knows: for
    pairs and for a degradation without a function `damage`.
    """

    indices: list[int]
    names: list[str]
    keys: Key[Array, " b"] | None
    target: Float[Array, "b h w c"]
    degraded: Float[Array, "b hh ww cc"]
    damage: Float[Array, "b h w 1"] | None


class Found(NamedTuple):
    """What a probe found: numbers [b] by column, panels [b, h, w, c] by name.

    Panels are of the target's size, in colour or grey, and shown as they are, clipped
    to [0, 1].
    """

    numbers: Mapping[str, Float[np.ndarray, " b"]]
    panels: Mapping[str, Float[Array, "b h w c"]]


Probe = Callable[[Question, Float[Array, "b h w c"]], Found]  # of a restored batch


class Evaluator:
    """A fixed set of degraded images and a protocol to score restorations of them."""

    def __init__(
        self,
        source: Any,
        *,
        degradation: Mapping[str, Any] | None,
        protocol: str,
        seed: int,
        batch_size: int,
        crop: int,
        mesh: jax.sharding.Mesh,
        scale: int = 1,
        not_shown: frozenset[str] = frozenset(),
        strips: int = 16,
    ):
        """Takes a `source` of named images; `crop` is a centre crop, 0 for none.

        Image i is degraded with the key `fold_in(key(seed), i)`: every checkpoint of
        every run with this seed is asked the same question. Without a `degradation`
        the images are pairs of six channels, the target's first. Its sides are first
        cut down to multiples of `scale`, by which the restorer enlarges. A `batch_size`
        is rounded up to what all devices share. `strips` bounds how many images are
        shown. What a gain is measured against: see
        `baseline`.

        Raises `ConfigError` for a protocol that scores lost pixels apart where the
        degradation does not say which they are.
        """
        self.source = source
        self._crop = crop
        self._scale = scale
        self._too_small: dict[str, str] = {}  # by name, those of the last questions
        self._batch_size = sharding.up_to_devices(batch_size, mesh)
        self._mesh = mesh
        self._not_shown = not_shown
        self._strips = strips
        key = jax.random.key(seed)
        score = naming.function("protocols", protocol)
        if contracts.takes_damage(score) and not batched.says_damage(degradation):
            how = degradation["name"] if degradation else "pairs of images"
            raise errors.ConfigError(
                f"evaluation.protocol {protocol!r} scores lost pixels apart, but {how} "
                "cannot say which they are; take rgb8, or a degradation that does, as "
                "holes or scratches"
            )

        @programs.compiled
        def ask(index, images):
            if degradation is None:
                return None, *jnp.split(images, 2, axis=-1), None
            keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
            degraded, damage = batched.degrade_with_damage(
                keys, images, recipe=degradation
            )
            return keys, images, degraded, damage

        self._ask = ask
        self._score = programs.compiled(functools.partial(contracts.scores, score))
        self._baseline = programs.compiled(baseline)

    def __call__(
        self, restore: contracts.Restore, *, probes: Sequence[Probe] = ()
    ) -> Evaluation:
        """Returns the scores of `restore`, which maps degraded to restored images.

        Each of the `probes` looks at all restored images too; `maps` has some. An image
        that is too small for the scale or the protocol is left out, and an
        `errors.Notice` names it. Raises `NoInputError` when that leaves none.
        """
        started = time.perf_counter()
        rows: dict[int, dict[str, Any]] = {}
        strips: dict[str, Any] = {}
        panels: dict[str, Any] = {}
        left_out: dict[str, str] = {}
        for question in self.questions():
            restored = restore(question.degraded)
            try:
                degraded, scores = self._scores(question, restored)
            except checks.TooSmall as error:  # all of them, for they share their shape
                left_out |= dict.fromkeys(question.names, str(error))
                continue
            found = [probe(question, restored) for probe in probes]
            numbers = {name: x for one in found for name, x in one.numbers.items()}
            panels = {name: x for one in found for name, x in one.panels.items()}
            shown = (degraded, restored, question.target, *panels.values())
            for row, name in enumerate(question.names):
                more = {column: float(x[row]) for column, x in numbers.items()}
                scored = {"image": name, **_row(scores, row), **more}
                rows[question.indices[row]] = scored
                if name not in self._not_shown and len(strips) < self._strips:
                    strips[name] = pictures.strip(*(np.asarray(x[row]) for x in shown))
        left_out |= self._too_small
        _tell(left_out, nothing=not rows)
        ordered = [rows[index] for index in sorted(rows)]
        seconds = time.perf_counter() - started
        names = (*pictures.PANELS, *panels)
        return Evaluation(ordered, strips, seconds, names, left_out)

    def _scores(self, question, restored):
        """The input as it is compared, and by `degraded` and `restored` the scores."""
        degraded = self._baseline(question.degraded, question.target)
        images = {"degraded": degraded, "restored": restored}
        asked = question.target, question.damage
        scores = {name: self._score(x, *asked) for name, x in images.items()}
        return degraded, jax.device_get(scores)

    def questions(self) -> Iterator[Question]:
        """Yields batches of images of one shape; together they hold every image once.

        The images of a source of one shape come in its order, each batch as large as
        `batch_size`, unless more than `WAITING_BYTES` wait for others of their shape.
        """
        for indices, names, images in self._groups():
            padded = _pad_rows(images, self._batch_size)
            index = _pad_rows(np.array(indices, np.int32), self._batch_size)
            asked = self._ask(
                sharding.put(index, self._mesh),
                sharding.put(padded.astype(np.float32) / 255, self._mesh),
            )
            yield Question(indices, names, *asked)

    def _groups(self) -> Iterator[tuple[list[int], list[str], np.ndarray]]:
        """Batches of images of one shape, short where no more come or memory ends."""
        waiting, held = defaultdict(list), 0
        self._too_small = {}
        for index in range(len(self.source)):
            element = self.source[index]
            if element["name"] != self.source.name(index):
                continue  # a substitute for a damaged file has its own index
            image = centre_crop(element["image"], self._crop)
            height, width = (n - n % self._scale for n in image.shape[:2])
            if not height or not width:
                size = f"{image.shape[1]}x{image.shape[0]}"
                reason = f"{size} px is smaller than the scale of {self._scale}"
                self._too_small[element["name"]] = reason
                continue
            image = image[:height, :width]
            group = waiting[image.shape]
            group.append((index, element["name"], image))
            held += image.nbytes
            if len(group) == self._batch_size:
                held -= image.nbytes * len(group)
                yield _stack(waiting.pop(image.shape))
            elif held > WAITING_BYTES:
                yield from map(_stack, waiting.values())
                waiting.clear()
                held = 0
        for group in waiting.values():
            yield _stack(group)


def centre_crop(
    image: UInt8[np.ndarray, "h w c"], side: int
) -> UInt8[np.ndarray, "hh ww c"]:
    """Returns the central `side` x `side` pixels, what there is of them; 0: all."""
    if not side:
        return image
    height, width = image.shape[:2]
    row, column = max(height - side, 0) // 2, max(width - side, 0) // 2
    return image[row : row + side, column : column + side]


def baseline(
    degraded: Float[Array, "b h w c"], target: Float[Array, "b hh ww d"]
) -> Float[Array, "b hh ww d"]:
    """Returns what a restoration has to beat: the input, in the shape of its target.

    Channels beyond the target's, as the mask of holes, are left out. An input of
    another size is enlarged by `ops.resize`, bicubic: the row "bicubic" in tables of
    super-resolution.
    """
    height, width, channels = target.shape[1:]
    degraded = degraded[..., :channels]
    if degraded.shape == target.shape:
        return degraded
    return resize.resize(degraded, height, width)


def _row(scores, row):
    numbers = {}
    # PSNR first; jit has sorted the protocol's names by letter.
    for name in sorted(scores["degraded"], key=lambda name: (name != "psnr", name)):
        before = float(scores["degraded"][name][row])
        after = float(scores["restored"][name][row])
        numbers |= {
            f"degraded_{name}": before,
            f"restored_{name}": after,
            f"gain_{name}": float(summaries.gain(before, after)),
        }
    return numbers


def _tell(left_out, *, nothing):
    """Names what was left out; an error where there is nothing else."""
    if not left_out:
        return
    name, reason = next(iter(left_out.items()))
    if nothing:
        raise errors.NoInputError(
            f"no evaluation image can be scored; {name}: {reason}"
        )
    warnings.warn(
        f"left out of the evaluation: {errors.some(left_out)} ({reason})",
        errors.Notice,
        stacklevel=3,
    )


def _stack(group):
    indices, names, images = zip(*group, strict=True)
    return list(indices), list(names), np.stack(images)


def _pad_rows(array, count):
    """Repeats the last row up to `count`; the repeats are not counted."""
    missing = count - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, 0)])
