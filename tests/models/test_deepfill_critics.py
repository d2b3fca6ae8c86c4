import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained

from jaxrestore.models import deepfill_critics, sn_patchgan


def _shapes(model, side):
    """The shapes of the variables and of the logits of two images and their masks."""
    image = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    degraded = jax.ShapeDtypeStruct((2, side, side, 4), jnp.float32)
    begin = functools.partial(model.init_with_output, train=False)
    logits, variables = jax.eval_shape(begin, jax.random.key(0), image, degraded)
    return variables, logits.shape


def _mask(*boxes, sides=(16, 16)):
    """A mask an image, 1 in the box of these rows and columns."""
    mask = np.zeros((len(boxes), *sides, 1), np.float32)
    for index, box in enumerate(boxes):
        if box:
            mask[index, slice(*box[0]), slice(*box[1])] = 1
    return jnp.asarray(mask)


def test_the_critics_have_the_published_number_of_parameters():
    variables, logits = _shapes(deepfill_critics.Discriminator(), 256)
    count = {"whole": 0, "around": 0}
    for name, layer in variables["params"].items():
        count[name.split("_")[0].rstrip("0123")] += untrained.count({"params": layer})
    assert count == {"whole": 2_733_441, "around": 4_339_329}
    assert logits == (2, 2)


def test_the_patch_critic_has_the_published_number_of_parameters():
    variables, logits = _shapes(sn_patchgan.Discriminator(), 256)
    assert untrained.count(variables) == 5_946_816 and logits == (2, 4, 4, 256)
    assert set(variables["batch_stats"]) == {f"conv{i}" for i in range(6)}
    plain, _ = _shapes(sn_patchgan.Discriminator(spectral_norm=False), 64)
    assert set(plain) == {"params"}


@pytest.mark.parametrize("side", [32, 64, 96])
def test_smaller_crops_are_judged_too(side):
    assert _shapes(deepfill_critics.Discriminator(filters=2), side)[1] == (2, 2)
    rounded = -(-side // 64)
    expected = (2, rounded, rounded, 8)
    assert _shapes(sn_patchgan.Discriminator(filters=2), side)[1] == expected


# A hole in the middle, at either end, none at all, and one wider than the crop.
CROPS = [
    (((5, 9), (6, 10)), (3, 4)),
    (((0, 3), (14, 16)), (0, 8)),
    (((14, 15), (0, 1)), (8, 0)),
    (None, (4, 4)),
    (((2, 15), (0, 16)), (4, 4)),
]


def test_the_crop_has_the_hole_in_its_middle_and_lies_in_the_image():
    rows, columns = jnp.meshgrid(jnp.arange(16.0), jnp.arange(16.0), indexing="ij")
    places = jnp.stack([jnp.stack([rows, columns], -1)] * len(CROPS))
    mask = _mask(*(box for box, _ in CROPS))
    crops = deepfill_critics.around_hole(places, mask)
    assert crops.shape == (len(CROPS), 8, 8, 2)
    np.testing.assert_array_equal(crops[:, 0, 0], [start for _, start in CROPS])
    np.testing.assert_array_equal(
        crops[:, -1, -1] - crops[:, 0, 0], 7 * np.ones((5, 2))
    )


def test_a_crop_of_odd_sides_is_rounded_up():
    image = untrained.noise(1, 9, 13, 2)
    crop = deepfill_critics.around_hole(image, _mask(((8, 9), (0, 2)), sides=(9, 13)))
    np.testing.assert_array_equal(crop, image[:, 4:, :7])


def test_the_local_critic_sees_nothing_outside_its_crop():
    model = deepfill_critics.Discriminator(filters=2)
    image, mask = untrained.noise(1, 32, 32, 3), _mask(((2, 8), (2, 8)), sides=(32, 32))
    variables = untrained.init(model, image, mask)
    judge = jax.jit(functools.partial(model.apply, variables, train=False))
    ((whole, around),) = judge(image, mask)
    ((other, unmoved),) = judge(image.at[:, 20:, 20:].set(0), mask)
    assert whole != other and around == unmoved
    ((_, moved),) = judge(image.at[:, 3, 3].set(0), mask)
    assert around != moved


def test_the_condition_is_looked_at_for_its_mask_alone():
    model = sn_patchgan.Discriminator(filters=2, spectral_norm=False)
    image, degraded = (
        untrained.noise(1, 32, 32, 3),
        untrained.noise(1, 32, 32, 4, seed=1),
    )
    variables = untrained.init(model, image, degraded)
    judge = jax.jit(functools.partial(model.apply, variables, train=False))
    logits = judge(image, degraded)
    np.testing.assert_array_equal(logits, judge(image, degraded.at[..., :3].set(0)))
    assert (logits != judge(image, degraded.at[..., 3].set(0))).any()


def test_the_gradient_of_a_gradient_by_the_image_exists():
    model = deepfill_critics.Discriminator(filters=1)
    image, mask = untrained.noise(1, 16, 16, 1), _mask(((2, 8), (2, 8)))
    variables = untrained.init(model, image, mask)

    @jax.jit
    @jax.grad
    def penalty(params):
        judge = functools.partial(model.apply, {"params": params}, train=False)
        score = lambda x: jnp.sum(jnp.asarray(judge(x, mask)))
        return (jnp.square(jax.grad(score)(image)).sum() - 1) ** 2

    kernels = {n: layer for n, layer in penalty(variables["params"]).items()}
    leaves = jax.tree.leaves(kernels)
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert np.any(kernels["whole0"]["conv"]["kernel"])
    assert np.any(kernels["around0"]["conv"]["kernel"])
