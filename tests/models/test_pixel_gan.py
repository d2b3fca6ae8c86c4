import functools

import numpy as np
import untrained

from jaxrestore.models import pixel_gan


def _parameters(model, *inputs):
    return untrained.count(untrained.shapes(model, *inputs))


def test_the_pixel_gan_has_the_published_parameters():
    image = untrained.image(16)
    assert _parameters(pixel_gan.Discriminator(norm="batch"), image, image) == 9_024
    # Three channels less into 64 filters.
    alone = pixel_gan.Discriminator(norm="batch", conditional=False)
    assert _parameters(alone, image, image) == 9_024 - 3 * 64
    # A bias for 128 + 1 features instead of two times 128 of batch normalisation.
    assert _parameters(pixel_gan.Discriminator(), image, image) == 9_024 - 256 + 129


def test_a_logit_of_the_pixel_gan_heeds_its_own_pixel_only():
    model = pixel_gan.Discriminator(filters=4, norm="none")
    image, condition = untrained.noise(1, 6, 7, 3), untrained.noise(1, 6, 7, 3, seed=1)
    variables = untrained.init(model, image, condition)
    apply = functools.partial(model.apply, variables, train=False)
    moved = apply(image.at[0, 2, 3].add(1.0), condition) != apply(image, condition)
    expected = np.zeros((1, 6, 7, 1), bool)
    expected[0, 2, 3] = True
    np.testing.assert_array_equal(moved, expected)


def test_one_number_of_the_pixel_gan_is_the_mean_of_its_map():
    image, condition = untrained.noise(2, 8, 8, 3), untrained.noise(2, 8, 8, 3, seed=1)
    model = pixel_gan.Discriminator(filters=4)
    variables = untrained.init(model, image, condition)
    map_ = np.asarray(model.apply(variables, image, condition, train=False))
    number = pixel_gan.Discriminator(filters=4, one_number=True)
    result = np.asarray(number.apply(variables, image, condition, train=False))
    np.testing.assert_allclose(result[:, 0, 0, 0], map_.mean((1, 2, 3)), atol=1e-6)
