"""Every network through tiles: any sides, and what the whole image gives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore import naming, networks
from jaxrestore.inference import restorer, tiles

FILL = {"deepfill", "skip"}  # not through tiles, but by crops or by a fit
LOCAL = {**untrained.SMALL["nafnet"], "local_statistics": 7}
CASES = {name: (name, options) for name, options in untrained.SMALL.items()}
CASES |= {"nafnet of local means": ("nafnet", LOCAL)}


@functools.cache
def _network(name):
    """A network as a card would give it, with random weights of which all speak."""
    generator, options = CASES[name]
    model = networks.build("Generator", {"name": generator, **options})
    colors = networks.channels(model)
    side = max(64, networks.smallest(model))
    images = jnp.zeros((1, side, side, colors + (name in untrained.TOLD)))
    init = functools.partial(model.init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), images)
    rng = np.random.default_rng(0)
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _drawn(rng, path[-1].key, leaf.shape), shapes
    )
    apply = networks.restore_function(model)
    return restorer.Restorer(
        lambda images: apply(variables, images),
        model.scale,
        model.multiple,
        name,
        ({1: "grey", 3: "rgb"}[colors], *(["level"] if name in untrained.TOLD else [])),
        networks.reach(model),
        networks.smallest(model),
        continues=networks.continues(model),
    )


def _drawn(rng, kind, shape):
    around = 1.0 if kind in ("scale", "var") else 0.0
    spread = np.prod(shape[:-1]) ** -0.5 if len(shape) > 1 else 0.1
    return (around + rng.uniform(-spread, spread, shape)).astype(np.float32)


def _restored(name, image, **options):
    level = 10 if name in untrained.TOLD else None
    return restorer.restore_image(_network(name), image, level=level, **options)


def _picture(height, width):
    return np.random.default_rng(height).random((height, width, 3), np.float32)


def test_every_network_that_restores_is_here():
    having = lambda name: hasattr(naming.module("models", name), "Generator")
    assert {*filter(having, naming.files("models"))} - FILL == {*untrained.SMALL}


@pytest.mark.parametrize("name", CASES)
def test_pictures_of_any_sides_come_back_whole(name):
    network = _network(name)
    # What sees the whole picture has a program for every size: few of these.
    count = 3 if network.reach is None else 6
    rng = np.random.default_rng(1)
    sides = np.exp(rng.uniform(0, np.log(300), (count, 2))).astype(int) + 1
    sides[:2] = [[network.smallest, 300], [300, network.smallest]]
    for height, width in np.maximum(sides, network.smallest):
        picture = _picture(height, width)
        result = _restored(name, picture)
        scale = network.scale
        assert result.shape == (height * scale, width * scale, 3)
        assert result.dtype == np.float32 and np.isfinite(result).all()
        assert 0 <= result.min() <= result.max() <= 1


def _differences(name, sizes, count):
    """What tiled pictures differ by from whole ones, of networks that see so far."""
    network = _network(name)
    least = tiles.smallest(network.reach, network.multiple)
    for size in sizes:
        picture = _picture(*(side + 2 * least + 48 for side in size))
        level = np.full((*picture.shape[:2], 1), 10 / 255, np.float32)
        seen = (
            np.concatenate([picture, level], 2) if name in untrained.TOLD else picture
        )
        whole = np.clip(network.apply(jnp.asarray(seen[None]))[0], 0, 1)
        assert np.ptp(whole) > 0.01
        for step in range(count):
            tile = least + 16 + step * max(network.multiple, 5)
            yield abs(_restored(name, picture, tile=tile) - whole).max()


FINITE = [name for name in CASES if _network(name).reach is not None]


@pytest.mark.parametrize("name", FINITE)
def test_tiles_give_what_the_whole_gives(name):
    assert max(_differences(name, [(5, 11)], 1)) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", FINITE)
def test_tiles_of_six_sizes_give_what_the_whole_gives(name):
    sizes = [(1, 1), (3, 38), (41, 7), (22, 63), (99, 5)]
    assert max(_differences(name, sizes, 6)) <= 1e-6
