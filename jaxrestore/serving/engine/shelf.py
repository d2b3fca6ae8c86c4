"""The networks that the engine restores with: loaded once, warmed, and let go."""

import contextlib
import ctypes
import dataclasses
import gc
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import errors
from jaxrestore.inference import inpainting, restorer, tiles
from jaxrestore.serving.engine import turns
from jaxrestore.weights import inputs, weight_files


class Shelf:
    """Networks by their names, each loaded when it is first asked for."""

    def __init__(self, files: Mapping[str, Path], device: turns.Turns):
        """Takes the file of weights of each; loads none yet."""
        self._files, self._device = files, device
        self._loaded: dict[str, restorer.Restorer] = {}
        self._lock = threading.Lock()

    def take(
        self,
        name: str,
        owner: str,
        check: Callable[[], object],
        told: Callable[[float], object],
    ) -> restorer.Restorer:
        """Returns a network that waits for the owner's turns.

        `check` and `told` are those of `turns.Turns.apply`. What the network makes has
        the bits that it has by itself, where a batch is one tile. Raises as
        `restorer.load_weights`.
        """
        network = self._network(name)

        def apply(images):
            images = np.asarray(images)
            return self._device.apply(owner, network.apply, images, check, told)

        return dataclasses.replace(network, apply=apply)

    def warm(self) -> dict[str, Exception]:
        """Loads all, and has compiled what pictures of any size need of each.

        Returns by name why others cannot be used, and forgets them: what is wrong with
        their files. Raises what is no fault of a file, but of the device or of memory.
        """
        built, broken = [], {}
        for name, file in self._files.items():
            try:
                weight_files.check(file)
                network = self._network(name)
                card = weight_files.read_card(file)
                how = card["generator"], card["statistics"], network.takes
                if how not in built:  # else its programs are there
                    self._compile(network)
                    built.append(how)
            except (RuntimeError, MemoryError):
                raise
            except Exception as error:
                broken[name] = error
        self._files = {k: v for k, v in self._files.items() if k not in broken}
        return broken

    def release(self) -> bool:
        """Lets all networks and programs go, and their memory; False: there were none.

        What is asked for next is loaded again.
        """
        with self._lock:
            some = bool(self._loaded)
            self._loaded.clear()
        if some:
            jax.clear_caches()
            gc.collect()
            with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
                ctypes.CDLL(None).malloc_trim(0)
        return some

    def _network(self, name):
        with self._lock:  # one at a time, so that nothing is loaded twice
            if name not in self._loaded:
                if name not in self._files:
                    raise errors.ConfigError(f"there is no network for {name!r}")
                loaded = restorer.load_weights(self._files[name])
                self._loaded[name] = dataclasses.replace(loaded, name=name)
            return self._loaded[name]

    def _compile(self, network):
        for side in sides(network):
            shape = (side, side, sum(inputs.CHANNELS[w] for w in network.takes))
            count = 1
            while count <= self._device.most:
                # A device that is too small for it is found out by pictures, too.
                with contextlib.suppress(MemoryError, RuntimeError):
                    np.asarray(network.apply(jnp.zeros((count, *shape))))
                count *= 2


def sides(network: restorer.Restorer) -> list[int]:
    """Returns the sides of tiles that pictures are cut into; of crops, for holes."""
    if "mask" in network.takes:
        return [inpainting.SIDE]
    if network.reach is None or network.reach > tiles.WHOLE:
        return [tiles.SIDES[0]]  # the whole picture is a tile, of any size
    multiple = network.multiple
    return sorted({-(-side // multiple) * multiple for side in tiles.SIDES})
