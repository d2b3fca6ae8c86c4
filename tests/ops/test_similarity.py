import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from jaxrestore.ops import similarity

GENERATOR = np.random.default_rng(0)
A = jnp.asarray(GENERATOR.random((2, 14, 17, 3), np.float32))
NOISE = GENERATOR.standard_normal(A.shape).astype(np.float32)
B = A + 0.1 * jnp.asarray(NOISE)
WINDOW = similarity.gaussian(14, 17)
compiled = functools.partial(jax.jit, static_argnums=2)  # the window
SSIM, STRUCTURE = compiled(similarity.ssim), compiled(similarity.contrast_structure)
MEANS = [SSIM, STRUCTURE]


@pytest.mark.parametrize(
    ("sides", "sizes"), [((30, 40), (11, 11)), ((11, 8), (11, 7)), ((1, 2), (1, 1))]
)
def test_a_window_is_as_large_as_fits_with_an_odd_size(sides, sizes):
    window = similarity.gaussian(*sides)
    assert (len(window.rows), len(window.columns)) == sizes
    assert sum(window.rows) == pytest.approx(1) and window.covariance == 1


def test_equal_weights_are_those_of_scikit_image():
    found = SSIM(A, B, similarity.uniform(7))
    for image, other, own in zip(A, B, found, strict=True):
        for channel in range(3):
            planes = (np.asarray(x[..., channel], np.float64) for x in (image, other))
            expected = skimage.metrics.structural_similarity(*planes, data_range=1)
            assert own[channel] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mean", MEANS, ids=["ssim", "contrast_structure"])
def test_equal_images_are_alike_to_the_bit_and_order_is_indifferent(mean):
    assert (mean(A, A, WINDOW) == 1).all()
    np.testing.assert_allclose(mean(A, B, WINDOW), mean(B, A, WINDOW), rtol=1e-5)


def test_a_lighter_image_differs_in_luminance_alone():
    lighter = A + 0.2
    assert (SSIM(A, lighter, WINDOW) < 0.98).all()
    structure = STRUCTURE(A, lighter, WINDOW)
    np.testing.assert_allclose(structure, 1, atol=1e-5)


@pytest.mark.parametrize("mean", MEANS, ids=["ssim", "contrast_structure"])
def test_weights_count_where_the_centre_of_the_window_lies(mean):
    weight = jnp.zeros((2, 14, 17, 1)).at[0, 5, 5].set(3.0)
    found = mean(A, B, WINDOW, weight)
    alone = mean(A[:1, :11, :11], B[:1, :11, :11], similarity.gaussian(11, 11))
    np.testing.assert_allclose(found[0], alone[0], rtol=1e-4)
    np.testing.assert_array_equal(found[1], 1)  # nothing is weighed


def _plain(a, b, weight, *, luminance):
    """The formula of the docstring under a window of 5 px, for jax to differentiate."""
    rows = similarity.gaussian(5, 5).rows
    grid = [(k, m) for k in range(5) for m in range(5)]
    height, width = (side - 4 for side in a.shape[1:3])

    def windowed(x):
        return sum(
            rows[k] * rows[m] * x[:, k : k + height, m : m + width] for k, m in grid
        )

    mean_a, mean_b = windowed(a), windowed(b)
    variance_a = windowed(a**2) - mean_a**2
    variance_b = windowed(b**2) - mean_b**2
    covariance = windowed(a * b) - mean_a * mean_b
    value = (2 * covariance + 9e-4) / (variance_a + variance_b + 9e-4)
    if luminance:
        value *= (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    centre = weight[:, 2:-2, 2:-2]
    return (centre * value).sum((1, 2)) / centre.sum((1, 2))


@pytest.mark.parametrize("mean", MEANS, ids=["ssim", "contrast_structure"])
def test_values_and_gradients_are_those_of_the_formula(mean):
    a, b = (image[:, :9, :9, :2] for image in (A, B))
    weight = 0.1 + jnp.abs(B[:, :9, :9, :1])
    plain = functools.partial(_plain, luminance=mean is SSIM)
    window = similarity.gaussian(5, 5)
    ours = lambda a, b, weight: mean(a, b, window, weight)
    for derived in (lambda f: f, lambda f: jax.grad(lambda *x: f(*x).sum(), (0, 1, 2))):
        found, expected = (jax.jit(derived(f))(a, b, weight) for f in (ours, plain))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    slope = jax.jit(jax.grad(lambda a: ours(a, b, weight).sum()))(b)
    assert slope == pytest.approx(0, abs=1e-5)
