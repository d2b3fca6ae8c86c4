import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.training import optimizers

RECIPE = {
    "rate": 1e-2,
    "schedule": "cosine",
    "warmup": 0,
    "final_rate": 1e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "clip": 0.0,
}


def test_cosine_starts_at_the_rate_and_ends_at_the_final_rate():
    schedule = optimizers.schedule(RECIPE, 100)
    assert float(schedule(0)) == pytest.approx(1e-2)
    assert float(schedule(50)) == pytest.approx((1e-2 + 1e-4) / 2)
    assert float(schedule(100)) == pytest.approx(1e-4)


def test_warmup_rises_in_equal_parts_and_the_first_update_already_moves():
    schedule = optimizers.schedule({**RECIPE, "warmup": 10}, 100)
    rates = [float(schedule(count)) for count in range(11)]
    assert rates[0] == pytest.approx(1e-3)
    assert all(np.diff(rates[:10]) > 0)
    assert rates[10] == pytest.approx(1e-2)


def test_constant_stays():
    schedule = optimizers.schedule({**RECIPE, "schedule": "constant"}, 100)
    assert float(schedule(0)) == float(schedule(99)) == pytest.approx(1e-2)


def test_a_warmup_longer_than_the_run_is_cut():
    schedule = optimizers.schedule({**RECIPE, "warmup": 50}, 10)
    assert 0 < float(schedule(9)) <= 1e-2


def test_the_first_adam_update_has_the_size_of_the_rate_and_clipping_keeps_it():
    params = {"w": jnp.zeros(3)}
    grads = {"w": jnp.array([3.0, -4.0, 0.0])}
    for clip in (0.0, 1.0):
        recipe = {**RECIPE, "clip": clip, "schedule": "constant"}
        transform = optimizers.adam(recipe, optimizers.schedule(recipe, 10))
        change, _ = transform.update(grads, transform.init(params), params)
        np.testing.assert_allclose(change["w"], [-1e-2, 1e-2, 0], rtol=1e-4)


def test_clipping_limits_the_norm_of_what_adam_sees():
    recipe = {**RECIPE, "clip": 1.0}
    transform = optimizers.adam(recipe, optimizers.schedule(recipe, 10))
    params = {"w": jnp.zeros(2)}
    _, state = transform.update(
        {"w": jnp.array([30.0, 40.0])}, transform.init(params), params
    )
    first_moment = optax.tree.get(state, "mu")["w"]
    np.testing.assert_allclose(first_moment, 0.5 * np.array([0.6, 0.8]), rtol=1e-5)
