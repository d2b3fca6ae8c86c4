import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from jaxrestore.degradations import blur

# A single bright pixel, as far from the border as kernels of 31 px reach and one more.
ALONE = np.zeros((33, 33, 1), np.float32)
ALONE[16, 16] = 1
POSITION = np.arange(33) - 16


def _degrade(image, seed=0, **options):
    run = jax.jit(functools.partial(blur.degrade, **options))
    return np.asarray(run(jax.random.key(seed), jnp.asarray(image)))


def _traces(count, **options):
    """What becomes of a bright pixel: kernels, mirrored, for `count` keys."""
    keys = jax.random.split(jax.random.key(0), count)
    run = functools.partial(blur.degrade, **options)
    return np.asarray(jax.jit(jax.vmap(run, (0, None)))(keys, jnp.asarray(ALONE)))[
        ..., 0
    ]


def _variances(trace):
    """The variances of a trace about its middle: largest and smallest axis."""
    y, x = np.meshgrid(POSITION, POSITION, indexing="ij")
    both = [[(trace * a * b).sum() for a in (x, y)] for b in (x, y)]
    return np.linalg.eigvalsh(both)[::-1]


@pytest.mark.parametrize("deviation", [0.8, 3.0])
def test_isotropic_blur_equals_scipy(deviation):
    image = np.random.default_rng(0).random((33, 40, 3), np.float32)
    made = _degrade(image, kind="isotropic", deviation=deviation)
    expected = scipy.ndimage.gaussian_filter(
        image.astype(np.float64),
        (deviation, deviation, 0),
        mode="mirror",
        radius=(int(np.ceil(3 * deviation)),) * 2 + (0,),
    )
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_isotropic_blur_is_round_and_within_its_range():
    variances = np.array([_variances(t) for t in _traces(20, kind="isotropic")])
    np.testing.assert_allclose(variances[:, 0], variances[:, 1], rtol=1e-3)
    # Cut at three deviations, a Gaussian loses up to 4 % of its variance.
    assert variances.min() > 0.96 * 0.8**2 and variances.max() < 3.0**2
    assert np.ptp(variances) > 3


def test_anisotropic_blur_lies_along_its_angle():
    traces = _traces(20, kind="anisotropic", deviations=[0.8, 3.0], angle=np.pi / 4)
    drawn = np.array([_variances(trace) for trace in traces])
    assert (drawn[:, 0] / drawn[:, 1]).max() > 2
    assert drawn.max() < 3.0**2
    # At 45 degrees, right and down are alike: a trace is its own transpose.
    np.testing.assert_allclose(traces, traces.swapaxes(1, 2), atol=1e-6)


def test_a_line_of_known_length_by_hand():
    (trace,) = _traces(1, kind="line", length=3.0, angle=0.0)
    # Under a box of 3 px, bilinear bumps 0, 1 and 2 px off have 1, 7/8, 1/8 of 1.
    expected = np.array([0.125, 0.875, 1, 0.875, 0.125]) / 3
    np.testing.assert_allclose(trace[16, 14:19], expected, atol=1e-3)
    assert trace[15].max() == 0 and trace.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["line", "shake"])
def test_motion_moves_nothing_as_a_whole(kind):
    traces = _traces(20, kind=kind)
    np.testing.assert_allclose(traces.sum((1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(traces.sum(1) @ POSITION, 0, atol=1e-4)
    np.testing.assert_allclose(traces.sum(2) @ POSITION, 0, atol=1e-4)
    assert traces.min() >= 0


def test_the_length_of_motion_is_drawn_from_its_range():
    variances = np.array([_variances(t)[0] for t in _traces(20, kind="line")])
    # A segment has variance length^2 / 12; bilinear sharing adds at most 1/4 an axis.
    assert variances.min() >= 3**2 / 12 and variances.max() <= 13**2 / 12 + 0.5
    assert np.ptp(variances) > 7


def test_a_mixture_draws_by_weight():
    one = np.ones((1, 1, 1))
    kind = {"given": 1, "isotropic": 3}
    traces = _traces(200, kind=kind, given=one, size=5)
    share = (traces[:, 16, 16] == 1).mean()
    assert share == pytest.approx(0.25, abs=0.12)  # 4 deviations of 0.03


def test_the_default_mixture_has_every_kind():
    assert sum(blur.MIX.values()) == pytest.approx(1)
    ratios = np.array([np.divide(*_variances(t)) for t in _traces(40)])
    assert (ratios < 1.001).mean() == pytest.approx(0.35, abs=0.25)
    assert (ratios > 10).any()


def _files(folder):
    rng = np.random.default_rng(0)
    first, second = rng.random((3, 3)), rng.random((2, 5, 5))
    np.save(folder / "second.npy", second)
    np.savez(folder / "both.npz", a=first, b=second)
    return first, second


def test_given_kernels_come_from_arrays_and_files(tmp_path):
    first, second = _files(tmp_path)
    wanted = {
        str(tmp_path / "both.npz"): [np.pad(first, 1), *second],
        str(tmp_path / "second.npy"): list(second),
    }
    for given, kernels in wanted.items():
        traces = _traces(24, kind="given", given=given, size=5)
        # A bright pixel shows the kernel turned by 180 degrees.
        seen = traces[:, 14:19, 14:19][:, ::-1, ::-1]
        scaled = [kernel / kernel.sum() for kernel in kernels]
        nearest = [np.argmin([abs(k - s).max() for k in scaled]) for s in seen]
        assert set(nearest) == set(range(len(kernels)))
        for kernel, index in zip(seen, nearest, strict=True):
            np.testing.assert_allclose(kernel, scaled[index], atol=1e-6)
    array = _traces(24, kind="given", given=second, size=5)
    np.testing.assert_allclose(array, traces, atol=1e-7)


def test_a_traced_deviation_is_the_same_as_a_fixed_one():
    key, image = jax.random.key(0), jnp.asarray(ALONE)
    run = functools.partial(blur.degrade, kind="isotropic")
    traced = jax.jit(lambda value: run(key, image, deviation=value))(1.7)
    fixed = _degrade(ALONE, kind="isotropic", deviation=1.7)
    np.testing.assert_allclose(traced, fixed, atol=1e-7)


def test_unknown_kinds_and_unfit_kernels_are_refused():
    key, image = jax.random.key(0), jnp.asarray(ALONE)
    with pytest.raises(ValueError, match="takes isotropic, anisotropic, line"):
        blur.degrade(key, image, kind="isotropc")
    with pytest.raises(ValueError, match="has no kernels; set given"):
        blur.degrade(key, image, kind="given")
    for shape in ((2, 4, 4), (5, 3), (1, 33, 33), (3,)):
        with pytest.raises(ValueError, match="pad or crop them, or raise size"):
            blur.degrade(key, image, kind="given", given=np.ones(shape))
    with pytest.raises(ValueError, match="odd size"):
        blur.degrade(key, image, size=30)
