import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore import networks

RECIPE = {"name": "pix2pix_resnet", "filters": 4, "blocks": 1, "dropout": 0.5}
IMAGES = jax.random.uniform(jax.random.key(0), (3, 32, 32, 3))


def restored(statistics, images, **changes):
    model = networks.build("Generator", {**RECIPE, **changes})
    variables = model.init(jax.random.key(1), images, train=False)
    return networks.restore_function(model, statistics)(variables, images)


def test_eval_statistics_treat_an_image_alike_in_any_company():
    together = restored("eval", IMAGES)
    np.testing.assert_allclose(restored("eval", IMAGES[1:2])[0], together[1], atol=1e-5)


def test_pix2pix_statistics_are_those_of_the_image_alone():
    together = restored("pix2pix", IMAGES, dropout=0.0)
    model = networks.build("Generator", {**RECIPE, "dropout": 0.0})
    variables = model.init(jax.random.key(1), IMAGES, train=False)
    (alone, _), _ = model.apply(
        variables, IMAGES[1:2], train=True, mutable=["batch_stats"]
    )
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)
    # They are not the averages of training, which are still 0 and 1 here.
    assert float(jnp.abs(together - restored("eval", IMAGES, dropout=0.0)).max()) > 1e-3


def test_pix2pix_statistics_treat_an_image_alike_in_any_company():
    together = restored("pix2pix", IMAGES)
    alone = restored("pix2pix", IMAGES[2:])
    np.testing.assert_allclose(alone[0], together[2], atol=1e-5)


def test_pix2pix_statistics_keep_dropout_on_and_give_the_same_image_again():
    once, again = restored("pix2pix", IMAGES), restored("pix2pix", IMAGES)
    np.testing.assert_array_equal(once, again)
    without = restored("pix2pix", IMAGES, dropout=0.0)
    assert float(jnp.abs(once - without).max()) > 1e-3
