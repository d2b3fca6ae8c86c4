import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import scipy.stats

from jaxrestore.ops import kernels

# Under jit, one compilation a size; eagerly every operation would be compiled.
_jit = functools.partial(jax.jit, static_argnums=0)
gaussian, generalised_gaussian, plateau, sinc, line = map(
    _jit,
    [
        kernels.gaussian,
        kernels.generalised_gaussian,
        kernels.plateau,
        kernels.sinc,
        kernels.line,
    ],
)
camera_shake = jax.jit(kernels.camera_shake, static_argnums=1, static_argnames="steps")
convolve = jax.jit(kernels.convolve)

ELLIPSES = [(1.0, 1.0, 0.0), (0.6, 2.5, 0.7), (3.0, 1.2, -2.0)]


def _grid(size):
    position = np.arange(size) - size // 2
    return np.meshgrid(position, position)  # columns first: x, then y


def _covariance(deviation_x, deviation_y, angle):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([deviation_x**2, deviation_y**2]) @ turn.T


def _squared_distance(size, ellipse):
    points = np.stack(_grid(size), -1)
    inverse = np.linalg.inv(_covariance(*ellipse))
    return np.einsum("yxi,ij,yxj->yx", points, inverse, points)


def _moments(kernel):
    """Sum, centroid (x, y) and second moments about it (xx, yy, xy)."""
    kernel = np.asarray(kernel, np.float64)
    x, y = _grid(len(kernel))
    mean_x, mean_y = (kernel * x).sum(), (kernel * y).sum()
    x, y = x - mean_x, y - mean_y
    seconds = [(kernel * product).sum() for product in (x * x, y * y, x * y)]
    return kernel.sum(), (mean_x, mean_y), seconds


def test_a_gaussian_of_three_pixels_by_hand():
    near, far = np.exp(-0.5), np.exp(-1.0)  # distance 1 and sqrt(2)
    expected = np.array([[far, near, far], [near, 1, near], [far, near, far]])
    expected /= 1 + 4 * near + 4 * far
    np.testing.assert_allclose(gaussian(3, 1.0, 1.0, 0.3), expected, rtol=1e-6)


@pytest.mark.parametrize("ellipse", ELLIPSES)
def test_a_gaussian_is_the_density_of_scipy(ellipse):
    covariance = _covariance(*ellipse)
    normal = scipy.stats.multivariate_normal([0, 0], covariance)  # pyright: ignore
    density = normal.pdf(np.stack(_grid(21), -1))
    np.testing.assert_allclose(
        gaussian(21, *ellipse), density / density.sum(), atol=1e-6
    )


def test_a_wide_gaussian_has_the_moments_that_were_asked_for():
    ellipse = (2.0, 3.0, 0.5)
    total, centroid, seconds = _moments(gaussian(41, *ellipse))
    covariance = _covariance(*ellipse)
    np.testing.assert_allclose([total, *centroid], [1, 0, 0], atol=1e-5)
    expected = [covariance[0, 0], covariance[1, 1], covariance[0, 1]]
    np.testing.assert_allclose(seconds, expected, rtol=1e-4)


@pytest.mark.parametrize("ellipse", ELLIPSES)
@pytest.mark.parametrize("shape", [0.5, 1.7, 4.0])
def test_the_other_bells_follow_their_formula(ellipse, shape):
    power = _squared_distance(15, ellipse) ** shape
    for function, values in (
        (generalised_gaussian, np.exp(-power / 2)),
        (plateau, 1 / (power + 1)),
    ):
        made = function(15, *ellipse, shape)
        np.testing.assert_allclose(made, values / values.sum(), atol=2e-6)


def test_a_generalised_gaussian_of_shape_one_is_the_gaussian():
    np.testing.assert_allclose(
        generalised_gaussian(11, 1.0, 2.0, 0.4, 1.0),
        gaussian(11, 1.0, 2.0, 0.4),
        rtol=1e-6,
    )


def test_no_deviation_and_no_length_are_no_blur():
    expected = np.zeros((5, 5))
    expected[2, 2] = 1
    np.testing.assert_array_equal(gaussian(5, 0.0, 0.0, 0.0), expected)
    np.testing.assert_allclose(line(5, 0.0, 0.3), expected, atol=1e-7)


def test_j1_is_the_bessel_function_of_scipy():
    x = np.linspace(-70, 70, 28_001).astype(np.float32)  # 15 sqrt(2) pi = 67
    expected = scipy.special.j1(x.astype(np.float64))
    np.testing.assert_allclose(jax.jit(kernels.j1)(x), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cutoff", [np.pi / 3, 2.2, np.pi])
def test_sinc_is_the_circular_low_pass_filter(cutoff):
    x, y = _grid(21)
    radius = np.hypot(x, y)
    radius[10, 10] = 1
    values = cutoff * scipy.special.j1(cutoff * radius) / (2 * np.pi * radius)
    values[10, 10] = cutoff**2 / (4 * np.pi)
    made = sinc(21, cutoff)
    np.testing.assert_allclose(made, values / values.sum(), atol=2e-6)
    assert (made < 0).any()


def test_sinc_keeps_low_frequencies_and_removes_high_ones():
    x, _ = _grid(21)
    made = np.asarray(sinc(21, np.pi / 2))
    kept = (made * np.cos(np.pi / 4 * x)).sum()
    removed = (made * np.cos(3 * np.pi / 4 * x)).sum()
    # Cut to 21 pixels, the ideal response ripples by about a tenth.
    assert abs(kept - 1) < 0.1 and abs(removed) < 0.1


def test_a_line_of_one_pixel_by_hand():
    # The part of a bilinear bump, 1 - |t|, under half a pixel on both sides is 3 / 4.
    row = [0, 0.125, 0.75, 0.125, 0]
    expected = np.zeros((5, 5))
    expected[2] = row
    # Forty points make the integral.
    np.testing.assert_allclose(line(5, 1.0, 0.0), expected, atol=1e-3)
    np.testing.assert_allclose(line(5, 1.0, np.pi / 2), expected.T, atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, 2.5])
def test_a_line_spreads_along_its_angle(angle):
    length = 11.0
    total, centroid, (xx, yy, xy) = _moments(line(31, length, angle))
    np.testing.assert_allclose([total, *centroid], [1, 0, 0], atol=1e-5)
    # A segment has variance length^2 / 12 along itself; sharing a point bilinearly
    # adds at most 1 / 4 to the variance along an axis, and nothing to the covariance.
    along = length**2 / 12
    assert 0 <= xx - along * np.cos(angle) ** 2 <= 0.26
    assert 0 <= yy - along * np.sin(angle) ** 2 <= 0.26
    assert xy == pytest.approx(along * np.cos(angle) * np.sin(angle), abs=0.02)


def _walk_one_step_after_another(key, size, extent, inertia, jerk, steps):
    impulse_key, jerk_key = jax.random.split(key)
    impulses = np.array(jax.random.normal(impulse_key, (steps, 2)), np.float64)
    impulses[np.asarray(jax.random.bernoulli(jerk_key, jerk, (steps, 1)))[:, 0]] *= 10
    place, velocity, path = np.zeros(2), np.zeros(2), []
    for impulse in impulses:
        velocity = inertia * velocity + impulse
        place = place + velocity
        path.append(place)
    path = np.array(path)
    path *= extent / (path.max(0) - path.min(0)).max()
    path -= path.mean(0)
    kernel = np.zeros((size, size))
    for row, column in path + size // 2:
        top, left = int(np.floor(row)), int(np.floor(column))
        down, across = row - top, column - left
        kernel[top, left] += (1 - down) * (1 - across)
        kernel[top, left + 1] += (1 - down) * across
        kernel[top + 1, left] += down * (1 - across)
        kernel[top + 1, left + 1] += down * across
    return kernel / steps


def test_camera_shake_equals_a_loop():
    options = {"inertia": 0.6, "jerk": 0.05, "steps": 50}
    for seed in range(3):
        key = jax.random.key(seed)
        made = camera_shake(key, 21, 9.0, **options)
        expected = _walk_one_step_after_another(key, 21, 9.0, **options)
        np.testing.assert_allclose(made, expected, atol=1e-5)


def test_camera_shake_is_centred_and_as_long_as_asked():
    keys = jax.random.split(jax.random.key(0), 8)
    make = jax.jit(jax.vmap(kernels.camera_shake, (0, None, 0)), static_argnums=1)
    extents = np.linspace(3, 13, 8, dtype=np.float32)
    made = np.asarray(make(keys, 29, extents))
    for kernel, extent in zip(made, extents, strict=True):
        total, centroid, _ = _moments(kernel)
        np.testing.assert_allclose([total, *centroid], [1, 0, 0], atol=1e-4)
        sides = [np.ptp(np.flatnonzero(kernel.sum(axis))) for axis in (0, 1)]
        assert extent - 1 <= max(sides) <= extent + 2


def test_kernels_sum_to_one_with_traced_numbers_of_each_image():
    def make(key, number):
        return jnp.stack(
            [
                kernels.gaussian(15, number, 2 * number, number),
                kernels.generalised_gaussian(15, number, number, 0.0, number),
                kernels.plateau(15, number, number, 0.0, number),
                kernels.line(15, number, number),
                kernels.camera_shake(key, 15, 3 * number),
                kernels.sinc(15, number),
            ]
        )

    keys = jax.random.split(jax.random.key(0), 3)
    made = jax.jit(jax.vmap(make))(keys, jnp.array([0.5, 1.0, 2.0]))
    np.testing.assert_allclose(made.sum((2, 3)), 1, atol=1e-5)
    assert made[:, :5].min() >= 0


def test_within_a_smaller_support_is_the_smaller_kernel():
    wide = gaussian(21, 2.0, 3.0, 0.5)
    cut = jax.jit(jax.vmap(kernels.within, (None, 0)))(wide, jnp.array([7, 13, 21]))
    for kernel, support in zip(cut, (7, 13, 21), strict=True):
        small = gaussian(support, 2.0, 3.0, 0.5)
        border = (21 - support) // 2
        np.testing.assert_allclose(kernel, np.pad(small, border), atol=1e-6)


def test_an_even_size_is_refused():
    with pytest.raises(ValueError, match="odd size, got 4; pass 5"):
        gaussian(4, 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="odd size, got 4; pass 5"):
        convolve(jnp.zeros((8, 8, 1)), jnp.zeros((4, 4)))


def _images(count, height, width, channels=3):
    values = np.random.default_rng(0).random((count, height, width, channels))
    return jnp.asarray(values, jnp.float32)


def _random_kernels(count, size):
    values = np.random.default_rng(1).random((count, size, size)).astype(np.float32)
    return jnp.asarray(values / values.sum((1, 2), keepdims=True))


def test_convolve_by_hand():
    image = jnp.arange(1.0, 4.0).reshape(1, 3, 1)  # 1 2 3; mirrored: 2 1 2 3 2
    kernel = jnp.zeros((3, 3)).at[1].set(jnp.array([1.0, 10.0, 100.0]))
    # The only row repeats itself above and below, where the kernel is zero.
    expected = [2 + 10 + 200, 1 + 20 + 300, 2 + 30 + 200]
    np.testing.assert_allclose(convolve(image, kernel).ravel(), expected)


@pytest.mark.parametrize(("height", "width", "size"), [(17, 23, 9), (16, 12, 21)])
def test_convolve_with_a_kernel_an_image_equals_scipy(height, width, size):
    images, stack = _images(3, height, width), _random_kernels(3, size)
    made = jax.jit(jax.vmap(convolve))(images, stack)
    for image, kernel, result in zip(images, stack, made, strict=True):
        padded = np.asarray(image, np.float64)
        for axis, side in enumerate((height, width)):
            pad = [(0, 0)] * 3
            pad[axis] = (size // 2,) * 2
            padded = np.pad(padded, pad, "reflect" if side > size // 2 else "edge")
        expected = scipy.ndimage.correlate(padded, np.asarray(kernel)[..., None])
        middle = expected[size // 2 : -(size // 2), size // 2 : -(size // 2)]
        np.testing.assert_allclose(result, middle, atol=1e-6)


def test_convolve_with_a_single_one_changes_no_bit():
    image = _images(1, 13, 11)[0]
    one = jnp.zeros((7, 7)).at[3, 3].set(1.0)
    np.testing.assert_array_equal(convolve(image, one), image)


def test_convolve_keeps_a_constant_and_repeats_the_edge_of_a_small_image():
    kernel = _random_kernels(1, 9)[0]
    flat = jnp.full((3, 20, 1), 0.25)
    np.testing.assert_allclose(convolve(flat, kernel), 0.25, atol=1e-6)
    step = jnp.zeros((20, 2, 1)).at[:, 1].set(1.0)  # two columns, black and white
    made = convolve(step, kernel)
    # Repeated, the white column covers all columns of the kernel from its place on.
    np.testing.assert_allclose(made[:, 0], kernel[:, 5:].sum(), atol=1e-6)
    np.testing.assert_allclose(made[:, 1], kernel[:, 4:].sum(), atol=1e-6)


def test_convolve_has_the_gradient_of_a_linear_map():
    image, weight = _images(2, 9, 10, 1)
    kernel = _random_kernels(1, 5)[0]

    def product(image):
        return (convolve(image, kernel) * weight).sum()

    value, gradient = jax.jit(jax.value_and_grad(product))(image)
    np.testing.assert_allclose((gradient * image).sum(), value, rtol=1e-5)
