import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from jaxrestore import errors, images, networks
from jaxrestore.inference import jpeg_cells, restorer, tiles
from jaxrestore.weights import conversion, weight_files

FCN = {"name": "fcn", "width": 4, "blocks": 1}
LUMA = np.array([0.299, 0.587, 0.114])


def _picture(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _network(apply, **options):
    return restorer.Restorer(apply, 1, 1, "stand_in", **options)


def _half(images):
    return images / 2


def _doubled(images):
    """Enlarges by 2, each pixel a square."""
    return jnp.repeat(jnp.repeat(images, 2, 1), 2, 2)


@pytest.fixture
def write(tmp_path):
    """`write(card entry=value, …)` writes a network that does nothing; its file."""

    def make(**changes):
        generator = changes.pop("generator", {})
        generator = generator if "name" in generator else FCN | generator
        inputs = changes.get("inputs", 3)
        model = networks.build("Generator", generator)
        init = lambda images: model.init(jax.random.key(0), images, train=False)
        shapes = jax.eval_shape(init, jnp.zeros((1, 8, 8, inputs)))
        card = {
            "generator": generator,
            "task": "denoise",
            "scale": 1,
            "colors": "rgb",
            "inputs": inputs,
            "statistics": "eval",
        }
        path = tmp_path / "network.safetensors"
        nothing = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
        weight_files.write(path, nothing, card | changes)
        return path

    return make


# Where a network comes from


def test_a_weight_file_is_a_network_as_its_card_says(write):
    network = restorer.load_weights(write())
    assert (network.name, network.scale, network.multiple) == ("fcn", 1, 1)
    assert (network.takes, network.channels) == (("rgb",), 3)
    assert (network.reach, network.smallest) == (5, 1)
    picture = _picture(7, 5, 3)  # zeros as weights: no residual
    np.testing.assert_array_equal(restorer.restore_image(network, picture), picture)


def test_a_weight_file_of_grey_with_a_level_map_takes_two_channels(write):
    card = {"colors": "gray", "inputs": 2, "generator": {"channels": 1}}
    network = restorer.load_weights(write(**card))
    assert (network.takes, network.channels) == (("gray", "level"), 1)
    picture = _picture(7, 5, 1)
    restored = restorer.restore_image(network, picture, level=25)
    np.testing.assert_array_equal(restored, picture)


def test_published_weights_restore_without_being_converted(tmp_path):
    generator = {"name": "dncnn", "width": 2, "depth": 3, "norm": "none"}
    model = networks.build("Generator", generator)
    init = lambda images: model.init(jax.random.key(0), images, train=False)
    shapes = jax.eval_shape(init, jnp.zeros((1, 8, 8, 3)))
    nothing = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes)
    tensors = conversion.to_torch(generator, nothing)
    for name, before in (("plain", ""), ("wrapped", "netG.")):
        path = tmp_path / f"{name}.safetensors"
        named = {before + entry: tensor for entry, tensor in tensors.items()}
        safetensors.numpy.save_file(named, path)
        network = restorer.load_weights(path)
        picture = _picture(7, 5, 3)  # zeros as weights: no noise to take away
        np.testing.assert_array_equal(restorer.restore_image(network, picture), picture)


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": 1},  # takes grey and gives colour
        {"inputs": 4, "source": {"config": {"degradation": {"name": "blur"}}}},
    ],
)
def test_a_network_that_takes_another_image_than_it_gives_is_refused(write, changes):
    generator = {"generator": {"name": "pix2pix_unet", "filters": 2, "downs": 2}}
    with pytest.raises(errors.ConfigError, match=r"takes \d channels and gives 3"):
        restorer.load_weights(write(**changes, **generator))


def test_weights_that_are_not_those_of_the_card_are_refused(write):
    path = write()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.MismatchError, match="SHA-256"):
        restorer.load_weights(path)


def test_what_a_card_says_of_channels_is_not_guessed_from_its_training(write):
    degradation = {"name": "noise", "level_map": True}
    card = {"inputs": 4, "source": {"config": {"degradation": degradation}}}
    assert restorer.load_weights(write(**card)).takes == ("rgb", "level")
    network = restorer.load_weights(write(**card, takes=["rgb", "mask"]))
    assert network.takes == ("rgb", "mask")


# Colours, alpha, levels


def test_a_grey_network_restores_one_channel_and_equal_channels_as_grey():
    network, grey = _network(_half, takes=("gray",)), _picture(6, 9, 1) // 2 * 2
    expected = grey // 2
    assert restorer.restore_image(network, grey).shape == (6, 9, 1)
    for channels in (1, 3):
        picture = np.repeat(grey, channels, 2)
        restored = restorer.restore_image(network, picture)
        np.testing.assert_array_equal(restored, np.repeat(expected, channels, 2))


def test_a_grey_network_changes_the_luma_of_a_colour_picture_alone():
    picture = _picture(6, 9, 3)
    restored = restorer.restore_image(_network(_half, takes=("gray",)), picture)
    # A change of luma with chroma kept is the same change of red, green and blue.
    expected = np.clip(picture - (picture @ LUMA / 2)[..., None], 0, 255)
    np.testing.assert_allclose(restored, expected, atol=0.51)


def test_a_network_of_colours_takes_grey_as_equal_channels_and_leaves_it_grey():
    cast = np.array([0.5, 0.25, 1.0], np.float32)
    network, grey = _network(lambda images: images * cast), _picture(6, 9, 1)
    expected = np.rint(grey * (cast @ LUMA))
    np.testing.assert_allclose(restorer.restore_image(network, grey), expected, atol=1)
    clear = np.concatenate([grey, _picture(6, 9, 1) | 1], 2)
    restored = restorer.restore_image(network, clear)
    np.testing.assert_allclose(restored[..., :1], expected, atol=1)
    np.testing.assert_array_equal(restored[..., 1], clear[..., 1])
    # Equal channels are colour, as a network that is to colour needs.
    colours = restorer.restore_image(network, np.repeat(grey, 3, 2))
    np.testing.assert_allclose(colours, grey * cast, atol=0.51)


@pytest.mark.parametrize("colors", ["gray", "rgb"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("tile", [None, 16])
def test_hidden_colours_do_not_leak_into_what_is_seen(colors, channels, scale, tile):
    apply = _blurred if scale == 1 else lambda images: _doubled(_blurred(images))
    reach = None if tile is None else 4
    network = restorer.Restorer(apply, scale, 4, "stand_in", (colors,), reach)
    picture = _picture(30, 40, channels)
    picture[8:20, 5:33, -1] = 0
    other = picture.copy()
    other[8:20, 5:33, :-1] = _picture(12, 28, channels - 1, seed=1)
    restore = lambda image: restorer.restore_image(network, image, tile=tile)
    restored = restore(picture)
    np.testing.assert_array_equal(restored, restore(other))
    if scale == 1:
        np.testing.assert_array_equal(restored[..., -1], picture[..., -1])


def test_under_alpha_0_stand_the_nearest_colours_or_black():
    network = _network(lambda images: images)
    picture = np.zeros((3, 5, 4), np.uint8)
    picture[:, 0], picture[:, 4] = (200, 10, 30, 255), (20, 90, 60, 1)
    restored = restorer.restore_image(network, picture)
    np.testing.assert_array_equal(restored[..., 3], picture[..., 3])
    np.testing.assert_array_equal(restored[:, 1, :3], picture[:, 0, :3])
    np.testing.assert_array_equal(restored[:, 3, :3], picture[:, 4, :3])
    unseen = np.concatenate([_picture(3, 5, 3), np.zeros((3, 5, 1), np.uint8)], 2)
    assert not restorer.restore_image(network, unseen).any()


@pytest.mark.parametrize("colors", ["gray", "rgb"])
def test_alpha_and_colour_are_enlarged_with_the_network(colors):
    network = restorer.Restorer(_doubled, 2, 1, "stand_in", (colors,))
    picture = np.full((5, 4, 4), (250, 20, 90, 77), np.uint8)
    picture[:, 2:, 3] = 200
    restored = restorer.restore_image(network, picture)
    assert restored.shape == (10, 8, 4)
    np.testing.assert_array_equal(
        restored[..., :3], np.broadcast_to(picture[0, 0, :3], (10, 8, 3))
    )
    # Bicubic: flat where it is flat, monotonous between but for the overshoot.
    np.testing.assert_array_equal(restored[:, 0, 3], 77)
    np.testing.assert_array_equal(restored[:, -1, 3], 200)
    assert (restored[:, 3, 3] < restored[:, 4, 3]).all()


def test_a_network_is_told_the_level_in_units_of_the_range():
    shown = lambda images: np.repeat(images[..., 3:], 3, -1)
    network = _network(shown, takes=("rgb", "level"))
    restored = restorer.restore_image(network, _picture(4, 4, 3), level=25)
    np.testing.assert_array_equal(restored, 25)


@pytest.mark.parametrize(
    ("takes", "level", "message"),
    [
        (("rgb", "level"), None, "give `level`"),
        (("rgb",), 25.0, "leave `level` out"),
        (("rgb", "level"), 256.0, "from 0 to 255"),
        (("rgb", "level"), float("nan"), "from 0 to 255"),
    ],
)
def test_a_level_that_cannot_be_meant_is_told(takes, level, message):
    network = _network(_half, takes=takes)
    with pytest.raises(errors.ConfigError, match=message):
        restorer.restore_image(network, _picture(4, 4, 3), level=level)


def test_an_image_that_is_too_small_for_the_network_is_told():
    network = _network(_half, smallest=8)
    with pytest.raises(images.ImageError, match="it is 7x9 px, but stand_in takes"):
        restorer.restore_image(network, _picture(9, 7, 3))
    assert restorer.restore_image(network, _picture(9, 8, 3)).shape == (9, 8, 3)


# Masks


def _hole(height, width):
    hole = np.zeros((height, width), bool)
    hole[2:5, 3:9] = True
    return hole


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_network_that_takes_a_mask_fills_holes_and_keeps_all_else(dtype, channels):
    seen = []

    def apply(images):
        seen.append(np.asarray(images))
        return images[..., :3]

    network = _network(apply, takes=("rgb", "mask"))
    picture = _picture(12, 15, channels).astype(dtype) | 1
    hole = _hole(12, 15)
    restored = restorer.restore_image(network, picture, mask=hole)
    assert restored.dtype == dtype
    np.testing.assert_array_equal(restored[~hole], picture[~hole])
    np.testing.assert_array_equal(seen[0][0, ..., 3], hole)
    assert (seen[0][0, hole, :3] == 0.5).all() and len(seen) == 1
    assert restorer.restore_image(network, picture, mask=hole & False) is picture


def test_beside_a_mask_a_network_is_told_the_level_in_its_own_order():
    seen = []

    def apply(images):
        seen.append(np.asarray(images)[0])
        return images[..., :3]

    picture, hole = _picture(12, 15, 3), _hole(12, 15)
    for takes, level, mask in ((("mask", "level"), 4, 3), (("level", "mask"), 3, 4)):
        network = _network(apply, takes=("rgb", *takes))
        restorer.restore_image(network, picture, mask=hole, level=51)
        assert (seen[-1][..., level] == np.float32(0.2)).all()
        np.testing.assert_array_equal(seen[-1][..., mask], hole)


def test_a_network_of_grey_fills_the_holes_of_grey_pictures():
    network = _network(lambda images: images[..., :1], takes=("gray", "mask"))
    grey, hole = _picture(12, 15, 1), _hole(12, 15)
    for count in (1, 3):
        picture = np.repeat(grey, count, 2)
        restored = restorer.restore_image(network, picture, mask=hole)
        np.testing.assert_array_equal(restored[~hole], picture[~hole])
        assert (restored == restored[..., :1]).all()
    with pytest.raises(images.ImageError, match="stand_in fills holes with grey"):
        restorer.restore_image(network, _picture(12, 15, 3), mask=hole)


def test_a_mask_that_cannot_be_used_is_told():
    picture, hole = _picture(12, 15, 3), _hole(12, 15)
    takes = _network(_half, takes=("rgb", "mask"))
    enlarging = restorer.Restorer(_doubled, 2, 1, "stand_in", ("rgb", "mask"))
    cells = [jpeg_cells.Component(np.ones((8, 8), int))] * 3
    cases: list[tuple[restorer.Restorer, dict[str, Any], str]] = [
        (takes, {}, "must be told what is missing; give `mask`"),
        (_network(_half), {"mask": hole}, "takes an image and no mask"),
        (enlarging, {"mask": hole}, "enlarges 2 times"),
        (takes, {"mask": hole, "strength": 0.5}, "leave `strength` out where a `mask`"),
        (takes, {"mask": hole, "cells": cells}, "leave `confine` out where a `mask`"),
        (takes, {"mask": hole, "level": 5}, "leave `level` out"),
    ]
    for network, options, message in cases:
        with pytest.raises(errors.ConfigError, match=message):
            restorer.restore_image(network, picture, **options)
    with pytest.raises(images.ImageError, match="sides of 13 px or more"):
        small = _network(_half, takes=("rgb", "mask"), smallest=13)
        restorer.restore_image(small, picture, mask=hole)
    with pytest.raises(errors.TrainingError, match="stand_in gave values that are not"):
        broken = _network(lambda x: x[..., :3] * np.nan, takes=("rgb", "mask"))
        restorer.restore_image(broken, picture, mask=hole)


def test_a_weight_file_that_takes_a_mask_fills_holes(write):
    network = restorer.load_weights(write(inputs=4, takes=["rgb", "mask"]))
    picture, hole = _picture(9, 11, 3), _hole(9, 11)
    restored = restorer.restore_image(network, picture, mask=hole)
    np.testing.assert_array_equal(restored[~hole], picture[~hole])
    assert np.ptp(restored[hole].astype(int)) < 100  # mid-grey, in the tone around it


# Tiles


def _blurred(images):
    """The sum of 5 x 5 neighbours, zeros beyond the border; sees 2 px far."""
    height, width = images.shape[1:3]
    padded = jnp.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    rows = sum((padded[:, row : row + height] for row in range(5)), jnp.zeros(()))
    columns = (rows[:, :, left : left + width] for left in range(5))
    return sum(columns, jnp.zeros(())) / 25


def _blocks(images):
    """Each 4 x 4 block as its first pixel: what it is depends on where blocks begin."""
    return jnp.repeat(jnp.repeat(images[:, ::4, ::4], 4, 1), 4, 2)


@pytest.mark.parametrize("shape", [(50, 75, 3), (17, 120, 4), (120, 31, 1)])
@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_give_what_the_whole_image_gives(shape, scale):
    seen = []

    def apply(images):
        seen.append(images.shape[1:3])
        blurred = _blurred(images)
        return blurred if scale == 1 else _doubled(blurred)

    network = restorer.Restorer(apply, scale, 4, "stand_in")
    picture = _picture(*shape)[..., :3]
    whole = restorer.restore_image(network, picture)
    told = lambda reach: dataclasses.replace(network, reach=reach)
    tiled = restorer.restore_image(told(4), picture, tile=32)
    # The padding to fours, mirrored, is what a network sees beyond the border.
    inside = tuple(slice(0, (side - 2) * scale) for side in shape[:2])
    np.testing.assert_array_equal(tiled[inside], whole[inside])
    assert tiled.shape == whole.shape
    assert len(seen) > 3 and len({*seen[1:]}) == 1 and max(seen[1]) <= 32
    other = restorer.restore_image(told(1), picture, tile=32)
    assert (other != tiled).any()


def test_tiles_begin_where_the_network_cuts_the_whole_image():
    network = restorer.Restorer(_blocks, 1, 4, "stand_in")
    picture = _picture(52, 76, 3)
    whole = restorer.restore_image(network, picture)
    near = dataclasses.replace(network, reach=5)
    tiled = restorer.restore_image(near, picture, tile=30)
    np.testing.assert_array_equal(tiled, whole)


def test_images_of_sixty_sizes_take_few_shapes():
    seen = set()

    def apply(images):
        seen.add(images.shape)
        return images

    network = restorer.Restorer(apply, 1, 4, "stand_in", reach=40)
    for height, width in np.random.default_rng(0).integers(1, 900, (60, 2)):
        picture = np.full((height, width, 3), height % 256, np.uint8)
        restored = restorer.restore_image(network, picture)
        np.testing.assert_array_equal(restored, picture)
    assert {shape[1:3] for shape in seen} <= {(side, side) for side in tiles.SIDES}


@pytest.mark.parametrize(("limit", "reach"), [(256, 91), (128, 8), (64, 8)])
def test_where_memory_is_exhausted_smaller_tiles_are_tried(limit, reach):
    tried = []

    def apply(images):
        tried.append(images.shape[1])
        if images.shape[1] > limit:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return images

    network = restorer.Restorer(apply, 1, 4, "stand_in", reach=reach)
    picture = _picture(700, 300, 3)
    if limit == 64:
        with pytest.raises(errors.OutOfMemoryError, match="a tile of 128x128 px than"):
            restorer.restore_image(network, picture)
        return
    restored = restorer.restore_image(network, picture)
    np.testing.assert_array_equal(restored, picture)
    assert tried[-1] == min(limit, tried[0])


def test_a_network_that_sees_all_gets_parts_where_memory_is_short():
    def apply(images):
        if max(images.shape[1:3]) > 512:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return images

    network = restorer.Restorer(apply, 1, 8, "stand_in")
    picture = _picture(300, 1000, 3)
    np.testing.assert_array_equal(restorer.restore_image(network, picture), picture)
    with pytest.raises(errors.OutOfMemoryError, match="a tile of 600x600 px than"):
        restorer.restore_image(network, picture, tile=600)


def test_another_error_of_the_device_is_not_taken_for_memory():
    def apply(images):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        restorer.restore_image(_network(apply), _picture(8, 8, 3))


def test_tiles_of_which_nothing_is_left_are_refused():
    for tile, network in ((100, _network(_half)), (15, _network(_half, reach=7))):
        with pytest.raises(errors.ConfigError, match=f"`tile` is {tile}; it must be"):
            restorer.restore_image(network, _picture(50, 50, 3), tile=tile)
    restorer.restore_image(_network(_half, reach=7), _picture(50, 50, 3), tile=16)
    with pytest.raises(errors.ConfigError, match="filled by crops; leave `tile` out"):
        filling = _network(_half, takes=("rgb", "mask"))
        restorer.restore_image(filling, _picture(9, 9, 3), tile=200, mask=_hole(9, 9))


def _sloped(images):
    """What a network makes that treats no two directions alike."""
    rows = jnp.arange(images.shape[1])[:, None, None] / 100
    return images[..., :3] / 2 + rows + jnp.arange(images.shape[2])[:, None] / 300


@pytest.mark.parametrize("shape", [(20, 20, 3), (20, 31, 3), (20, 31, 4), (20, 31, 1)])
def test_an_ensemble_is_the_mean_of_eight_views_turned_back(shape):
    network, image = _network(_sloped), _picture(*shape).astype(np.float64) / 255
    if shape[2] == 4:
        image[..., 3] = 1  # what is hidden would be replaced
    found = restorer.restore_image(network, image, ensemble=True)
    colors = image[..., : 1 if shape[2] == 1 else 3]
    views = []
    for turns in range(4):
        for flip in (lambda x: x, np.fliplr):
            seen = np.rot90(flip(colors), turns)
            made = restorer.restore_image(network, np.ascontiguousarray(seen))
            views.append(flip(np.rot90(made, -turns)))
    expected = np.mean(views, 0)
    np.testing.assert_allclose(found[..., : colors.shape[2]], expected, atol=1e-6)
    alone = restorer.restore_image(network, image)
    assert np.abs(found - alone).max() > 0.05


def test_a_hole_is_filled_by_an_ensemble_too():
    network = _network(_sloped, takes=("rgb", "mask"))
    picture, hole = _picture(20, 20, 3), _hole(20, 20)
    alone = restorer.restore_image(network, picture, mask=hole)
    found = restorer.restore_image(network, picture, mask=hole, ensemble=True)
    assert (found[hole] != alone[hole]).any()
    np.testing.assert_array_equal(found[~hole], picture[~hole])


def test_a_tile_is_no_larger_than_the_image():
    seen = []
    network = _network(lambda x: (seen.append(x.shape), x)[1], reach=7)
    restorer.restore_image(network, _picture(20, 30, 3), tile=1024)
    assert seen == [(1, 30, 30, 3)]


@pytest.mark.parametrize("reach", [9, None])
def test_alpha_is_the_same_to_the_bit(reach):
    image = _picture(20, 30, 4).astype(np.float64) / 255
    image[..., 3] = np.linspace(0.01, 1.2, 30)
    network = _network(_half, reach=reach)
    for strength in (None, 0.5):
        restored = restorer.restore_image(network, image, strength=strength)
        np.testing.assert_array_equal(restored[..., 3], image[..., 3])
