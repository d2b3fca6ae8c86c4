import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import deepfill

VERSIONS = {"v1": {"gated": False}, "v2": {}}
versions = pytest.mark.parametrize("version", VERSIONS)


def _shapes(model, height, width):
    """The shapes of the variables and of what comes of two images."""
    image = jax.ShapeDtypeStruct((2, height, width, model.channels + 1), jnp.float32)
    begin = functools.partial(model.init_with_output, train=False)
    made, variables = jax.eval_shape(begin, jax.random.key(0), image)
    return variables["params"], made


@functools.cache
def _jitted(version):
    """A small network under jit, and its parameters, of zeros."""
    model = deepfill.Generator(width=4, **VERSIONS[version])
    shapes, _ = _shapes(model, 16, 24)
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    return jax.jit(functools.partial(model.apply, train=False)), zeros


def _tiny(version):
    """The same with parameters that no layer is silent with."""
    apply, zeros = _jitted(version)
    leaves, structure = jax.tree.flatten(zeros)
    values = [
        0.6 * np.asarray(untrained.noise(*leaf.shape, seed=n)) - 0.3
        for n, leaf in enumerate(leaves)
    ]
    params = jax.tree.unflatten(structure, values)
    return functools.partial(apply, {"params": params})


def _degraded(fill=0.5):
    """Two images of 16 x 24 px with holes of their own."""
    image = untrained.noise(2, 16, 24, 3)
    mask = np.zeros((2, 16, 24, 1), np.float32)
    mask[0, 3:9, 5:12] = mask[1, :4, 20:] = mask[1, 9, 3] = 1
    return jnp.concatenate([jnp.where(mask > 0, fill, image), mask], -1)


@pytest.mark.parametrize(
    ("options", "stages"),
    [
        ({"gated": False, "width": 32}, (1_448_227, 880_480, 695_968, 576_867)),
        ({}, (1_631_151, 990_000, 782_352, 648_975)),
    ],
    ids=["v1", "v2"],
)
def test_both_versions_have_the_published_number_of_parameters(options, stages):
    params, (restored, aux) = _shapes(deepfill.Generator(**options), 256, 256)
    homes = {name: name for name in ("coarse", "invented", "compared", "joined")}
    homes |= {"answered": "compared", "refined": "joined"}
    count = dict.fromkeys(homes.values(), 0)
    for name, layer in params.items():
        stage = name.split("_")[0].rstrip("0123456789")
        count[homes[stage]] += untrained.count({"params": layer})
    assert tuple(count.values()) == stages
    assert sum(stages) in (3_601_542, 4_052_478)
    shapes = {name: output.shape for name, output in aux.items()}
    image = (2, 256, 256, 3)
    expected = {"coarse": image, "refined": image, "attention": (2, 32, 32, 2)}
    assert shapes == expected and restored.shape == image


def test_the_layers_are_those_of_the_papers():
    width = 32
    params, _ = _shapes(deepfill.Generator(gated=False, width=width), 64, 64)
    made = {name: p["conv"]["kernel"].shape for name, p in params.items()}
    features = lambda name, n: [made[f"{name}{i}"][-1] // width for i in range(n)]
    assert features("coarse", 12) == [1, 2, 2] + 9 * [4]
    assert features("invented", 10) == [1, 1, 2, 2] + 6 * [4]
    assert features("compared", 6) == [1, 1, 2, 4, 4, 4]
    assert features("answered", 2) == features("joined", 2) == [4, 4]
    assert [made[f"refined_up{i}"][-1] for i in range(4)] == [64, 64, 32, 16]
    # Image, ones and mask, to both stages; of version 2 the second has an image alone.
    assert made["coarse0"] == made["invented0"] == (5, 5, 5, 32)
    assert made["joined0"][:3] == (3, 3, 256) and made["coarse_image"][-1] == 3
    gated, _ = _shapes(deepfill.Generator(width=width), 64, 64)
    assert gated["compared0"]["conv"]["kernel"].shape == (5, 5, 3, 32)
    assert gated["compared1"]["conv"]["kernel"].shape == (3, 3, 16, 32)


def test_a_gated_layer_multiplies_one_half_by_the_sigmoid_of_the_other():
    apply, zeros = _jitted("v2")
    params = jax.tree.map(np.copy, zeros)
    # Before the last convolution, of one channel: elu(2) * sigmoid(0) = 1.
    params["refined_up3"]["conv"]["bias"][:] = 2.0, 0.0
    params["refined_image"]["conv"]["kernel"][1, 1] = 1
    _, aux = apply({"params": params}, _degraded())
    np.testing.assert_allclose(aux["refined"], (np.tanh(1) + 1) / 2, rtol=1e-6)
    np.testing.assert_allclose(aux["coarse"], 0.5)


@versions
def test_known_pixels_come_back_bit_for_bit_and_holes_are_the_second_stages(version):
    degraded = _degraded()
    restored, aux = _tiny(version)(degraded)
    hole = np.broadcast_to(degraded[..., 3:] > 0, restored.shape)
    known = np.asarray(degraded[..., :3])
    np.testing.assert_array_equal(np.asarray(restored)[~hole], known[~hole])
    np.testing.assert_array_equal(
        np.asarray(restored)[hole], np.asarray(aux["refined"])[hole]
    )
    for stage in ("coarse", "refined"):
        assert aux[stage].min() >= 0 and aux[stage].max() <= 1
        assert np.std(aux[stage]) > 1e-3


@versions
def test_what_stands_in_a_hole_changes_nothing(version):
    apply = _tiny(version)
    for one, other in zip(
        *(jax.tree.leaves(apply(_degraded(fill))) for fill in (0.5, 0.9)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_without_a_hole_the_image_itself_comes_back():
    image = untrained.noise(2, 16, 24, 3)
    whole = jnp.concatenate([image, jnp.zeros((2, 16, 24, 1))], -1)
    np.testing.assert_array_equal(_tiny("v2")(whole)[0], image)


def test_an_image_that_is_all_hole_is_filled_with_numbers():
    restored, aux = _tiny("v2")(_degraded().at[..., 3].set(1))
    assert np.isfinite(restored).all() and not np.any(aux["attention"])


def test_attention_looks_at_places_that_no_hole_touches():
    degraded = _degraded()
    _, aux = _tiny("v2")(degraded)
    places = np.stack(np.meshgrid(np.arange(2), np.arange(3), indexing="ij"), -1)
    looked = places + np.asarray(aux["attention"], int)
    assert (looked >= 0).all() and (looked < [2, 3]).all()
    # The hole of the second image is next to all places of a map so small.
    assert not np.any(aux["attention"][1])


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 16, 16, 3), {}, "3 channels of an image and its mask, got 3 channels"),
        ((1, 16, 20, 4), {}, "divide by 8, got 16x20"),
        ((1, 16, 16, 4), {"width": 6}, "width is 6; it must be a multiple of 4"),
    ],
)
def test_what_it_does_not_take_is_answered_in_words(shape, options, message):
    with pytest.raises(ValueError, match=message):
        untrained.shapes(
            deepfill.Generator(**options), jax.ShapeDtypeStruct(shape, jnp.float32)
        )


def test_grey_images_have_a_mask_too():
    _, (restored, aux) = _shapes(deepfill.Generator(width=4, channels=1), 16, 16)
    assert restored.shape == aux["coarse"].shape == (2, 16, 16, 1)


@pytest.mark.slow
def test_an_image_of_a_megapixel_is_filled_in_less_than_a_gibibyte():
    model = deepfill.Generator()
    degraded = jax.ShapeDtypeStruct((1, 1024, 1024, 4), jnp.float32)
    variables = untrained.shapes(model, degraded)
    restore = lambda *inputs: model.apply(*inputs, train=False)[0]
    memory = jax.jit(restore).lower(variables, degraded).compile().memory_analysis()
    assert memory.temp_size_in_bytes + memory.output_size_in_bytes < 2**30
