import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import networks

RECIPE = {"name": "pix2pix_resnet", "filters": 4, "blocks": 1, "dropout": 0.5}
IMAGES = jax.random.uniform(jax.random.key(0), (3, 32, 32, 3))


def restored(statistics, images, **changes):
    model = networks.build("Generator", {**RECIPE, **changes})
    init = jax.jit(functools.partial(model.init, train=False))
    variables = init(jax.random.key(1), images)
    return networks.restore_function(model, statistics)(variables, images)


@pytest.mark.slow
def test_eval_statistics_treat_an_image_alike_in_any_company():
    together = restored("eval", IMAGES)
    np.testing.assert_allclose(restored("eval", IMAGES[1:2])[0], together[1], atol=1e-5)


def test_pix2pix_statistics_are_those_of_the_image_alone():
    together = restored("pix2pix", IMAGES, dropout=0.0)
    model = networks.build("Generator", {**RECIPE, "dropout": 0.0})
    init = jax.jit(functools.partial(model.init, train=False))
    apply = functools.partial(model.apply, train=True, mutable=["batch_stats"])
    (alone, _), _ = jax.jit(apply)(init(jax.random.key(1), IMAGES), IMAGES[1:2])
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)
    # They are not the averages of training, which are still 0 and 1 here.
    assert float(jnp.abs(together - restored("eval", IMAGES, dropout=0.0)).max()) > 1e-3


@pytest.mark.slow
def test_pix2pix_statistics_treat_an_image_alike_in_any_company():
    together = restored("pix2pix", IMAGES)
    alone = restored("pix2pix", IMAGES[2:])
    np.testing.assert_allclose(alone[0], together[2], atol=1e-5)


def test_pix2pix_statistics_keep_dropout_on_and_give_the_same_image_again():
    once, again = restored("pix2pix", IMAGES), restored("pix2pix", IMAGES)
    np.testing.assert_array_equal(once, again)
    without = restored("pix2pix", IMAGES, dropout=0.0)
    assert float(jnp.abs(once - without).max()) > 1e-3


@functools.cache
def vae():
    """A small VAE and its variables; four pixels end as one."""
    recipe = {"name": "vae", "filters": 2, "downs": 2, "latent": 3}
    model = networks.build("Generator", recipe)
    init = jax.jit(functools.partial(model.init, train=False))
    return model, init(jax.random.key(1), IMAGES)


def test_a_sample_is_that_of_its_key_and_an_image_has_noise_of_its_own():
    model, variables = vae()
    images = jnp.stack([IMAGES[0], IMAGES[0]])
    sample = networks.sample_function(model)
    first = sample(variables, jax.random.key(2), images)
    np.testing.assert_array_equal(sample(variables, jax.random.key(2), images), first)
    assert (sample(variables, jax.random.key(3), images) != first).any()
    assert (first[0] != first[1]).any()
    mean = networks.restore_function(model)(variables, images)
    assert (mean != first).any()
    np.testing.assert_allclose(mean[0], mean[1], atol=1e-6)


def test_a_sample_of_any_side_is_cropped_to_it():
    model, variables = vae()
    images = IMAGES[:, :18, :27]
    sample = networks.sample_function(model)(variables, jax.random.key(2), images)
    assert sample.shape == images.shape and sample.dtype == jnp.float32


def test_a_generator_without_a_posterior_has_one_sample():
    model = networks.build("Generator", RECIPE)
    assert not getattr(model, "stochastic", False)
    variables = jax.jit(functools.partial(model.init, train=False))(
        jax.random.key(1), IMAGES
    )
    sample = networks.sample_function(model)(variables, jax.random.key(2), IMAGES)
    restored = networks.restore_function(model)(variables, IMAGES)
    np.testing.assert_allclose(sample, restored, atol=1e-6)


def test_one_image_that_ends_as_one_pixel_has_no_statistics_of_its_own():
    model, variables = vae()
    with pytest.raises(ValueError, match="one image of 1x1 px"):
        networks.restore_function(model, "pix2pix")(variables, IMAGES[:, :4, :4])


# Where a generator looks


class Looking:
    """Stands in for a generator: of each 4 x 4 pixels, their first value is the way."""

    multiple = 8

    def apply(self, variables, images, *, train):
        assert not train
        places = images[:, ::4, ::4, :2] * variables
        return images, {"attention": places, "coarse": images}


def test_a_pixel_looks_where_its_place_in_the_map_does_in_px_of_the_image():
    # 5 x 11 px, padded to 8 x 16: a map of 2 x 4.
    generator = np.random.default_rng(0)
    images = generator.integers(-3, 4, (2, 5, 11, 3)).astype(np.float32)
    look = networks.attention_function(Looking())
    vectors = look(jnp.asarray(2.0), jnp.asarray(images))
    assert vectors.shape == (2, 5, 11, 2) and vectors.dtype == jnp.float32
    for row, column in np.ndindex(5, 11):
        first = images[:, row - row % 4, column - column % 4, :2]
        np.testing.assert_array_equal(vectors[:, row, column], 4 * 2 * first)


def test_a_generator_without_attention_looks_nowhere():
    model = networks.build("Generator", {"name": "fcn", "width": 2, "blocks": 1})
    images = jnp.zeros((1, 8, 8, 3))
    init = jax.jit(functools.partial(model.init, train=False))
    variables = init(jax.random.key(0), images)
    assert networks.attention_function(model)(variables, images) is None
