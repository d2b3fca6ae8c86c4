import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxrestore import errors
from jaxrestore.prior import tasks


def test_the_operator_of_an_area_is_the_mean_of_its_pixels():
    images = jnp.asarray(np.random.default_rng(0).random((2, 4, 6, 3), np.float32))
    small = tasks.downsampling(2, "area")(images)
    blocks = np.asarray(images).reshape(2, 2, 2, 3, 2, 3)
    np.testing.assert_allclose(small, blocks.mean((2, 4)), rtol=1e-5)


def test_one_operator_is_one_function_so_that_its_programs_are_found_again():
    assert tasks.downsampling(3) is tasks.downsampling(3)
    assert tasks.downsampling(3) is not tasks.downsampling(4)


@pytest.mark.parametrize("scale", [1, 17])
def test_a_scale_out_of_its_range_is_refused(scale):
    with pytest.raises(errors.ConfigError, match=r"`scale` is .* from 2 to 16"):
        tasks.downsampling(scale)


def test_another_method_or_task_is_refused_with_all_that_there_are():
    with pytest.raises(errors.ConfigError, match=r"`method` is 'lanczos'.*bicubic"):
        tasks.downsampling(4, "lanczos")
    with pytest.raises(errors.ConfigError, match="no task 'blur': there is denoise"):
        tasks.named("blur")


def test_a_task_has_as_many_skips_as_levels():
    for name in tasks.TASKS:
        settings = tasks.named(name)
        assert len(settings.widths) == len(settings.skips)


@pytest.mark.parametrize("shape", [(1, 40, 30, 3), (2, 1, 5, 1)])
def test_the_blur_is_a_gaussian_with_a_mirrored_border(shape):
    images = np.random.default_rng(0).random(shape).astype(np.float32)
    modes: Any = ["nearest" if side == 1 else "mirror" for side in shape[1:3]]
    expected = ndimage.gaussian_filter(
        images, 1.7, axes=(1, 2), mode=modes, radius=math.ceil(3 * 1.7)
    )
    made = tasks.blurring(1.7)(jnp.asarray(images))
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert tasks.blurring(1.7) is tasks.blurring(1.7)  # a program for one operator
    with pytest.raises(errors.ConfigError, match="`deviation` is 0"):
        tasks.blurring(0)
