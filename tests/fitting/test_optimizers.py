import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.fitting import optimizers

RECIPE = {
    "rate": 1e-2,
    "schedule": "cosine",
    "warmup": 0,
    "final_rate": 1e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "clip": 0.0,
}


def _rate(schedule, count):
    return float(np.asarray(schedule(count)))


def test_cosine_starts_at_the_rate_and_ends_at_the_final_rate():
    schedule = optimizers.schedule(RECIPE, 100)
    assert _rate(schedule, 0) == pytest.approx(1e-2)
    assert _rate(schedule, 50) == pytest.approx((1e-2 + 1e-4) / 2)
    assert _rate(schedule, 100) == pytest.approx(1e-4)


def test_warmup_rises_in_equal_parts_and_the_first_update_already_moves():
    schedule = optimizers.schedule({**RECIPE, "warmup": 10}, 100)
    rates = [_rate(schedule, count) for count in range(11)]
    assert rates[0] == pytest.approx(1e-3)
    assert all(np.diff(rates[:10]) > 0)
    assert rates[10] == pytest.approx(1e-2)


def test_constant_stays():
    schedule = optimizers.schedule({**RECIPE, "schedule": "constant"}, 100)
    assert _rate(schedule, 0) == _rate(schedule, 99) == pytest.approx(1e-2)


def test_a_warmup_longer_than_the_run_is_cut():
    schedule = optimizers.schedule({**RECIPE, "warmup": 50}, 10)
    assert 0 < _rate(schedule, 9) <= 1e-2


def test_the_first_adam_update_has_the_size_of_the_rate_and_clipping_keeps_it():
    params = {"w": jnp.zeros(3)}
    grads = {"w": jnp.array([3.0, -4.0, 0.0])}
    for clip in (0.0, 1.0):
        recipe = {**RECIPE, "clip": clip, "schedule": "constant"}
        transform = optimizers.adam(recipe, optimizers.schedule(recipe, 10))
        change, _ = transform.update(grads, transform.init(params), params)
        np.testing.assert_allclose(
            optax.tree.get(change, "w"), [-1e-2, 1e-2, 0], rtol=1e-4
        )


def test_clipping_limits_the_norm_of_what_adam_sees():
    recipe = {**RECIPE, "clip": 1.0}
    transform = optimizers.adam(recipe, optimizers.schedule(recipe, 10))
    params = {"w": jnp.zeros(2)}
    _, state = transform.update(
        {"w": jnp.array([30.0, 40.0])}, transform.init(params), params
    )
    first_moment = optax.tree.get(state, "mu")["w"]
    np.testing.assert_allclose(first_moment, 0.5 * np.array([0.6, 0.8]), rtol=1e-5)


# The rates of PyTorch's schedulers as pix2pix sets them up, in seven epochs at 2e-4:
# LambdaLR with three constant epochs and four of decay, StepLR with drops every three,
# CosineAnnealingLR with T_max 7 (torch 2.13).
REFERENCE = {
    "linear_epochs": (2e-4, 2e-4, 2e-4, 1.6e-4, 1.2e-4, 8e-5, 4e-5),
    "step_epochs": (2e-4, 2e-4, 2e-4, 2e-5, 2e-5, 2e-5, 2e-6),
    "cosine_epochs": (
        *(2e-4, 1.9009689e-4, 1.6234898e-4, 1.2225209e-4),
        *(7.7747907e-5, 3.765102e-5, 9.9031132e-6),
    ),
}


@pytest.mark.parametrize("name", optimizers.EPOCH_SCHEDULES)
def test_the_schedules_of_pix2pix_equal_the_reference(name):
    recipe = {
        **RECIPE,
        "rate": 2e-4,
        "schedule": name,
        "constant_epochs": 3,
        "drop_epochs": 3,
    }
    # 10 images in batches of 4: the first epoch is updates 0 to 2, the second 3 and 4.
    updates = round(7 * 10 / 4)
    schedule = optimizers.schedule(recipe, updates, epoch=(4, 10))
    rates = [_rate(schedule, jnp.asarray(count)) for count in range(updates)]
    epochs = [count * 4 // 10 for count in range(updates)]
    np.testing.assert_allclose(
        rates, [REFERENCE[name][epoch] for epoch in epochs], rtol=1e-5
    )
    assert epochs[:5] == [0, 0, 0, 1, 1] and epochs[-1] == 6


def test_an_epoch_schedule_of_a_run_in_steps_never_rests():
    # 2.4 epochs are begun three times, so the third still moves.
    recipe = {**RECIPE, "schedule": "cosine_epochs"}
    schedule = optimizers.schedule(recipe, 24, epoch=(1, 10))
    assert _rate(schedule, jnp.asarray(23)) == pytest.approx(1e-2 * 0.25)


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_a_linear_run_that_ends_before_its_decay_keeps_its_rate(epochs):
    recipe = {**RECIPE, "schedule": "linear_epochs", "constant_epochs": 3}
    schedule = optimizers.schedule(recipe, epochs * 10, epoch=(1, 10))
    assert _rate(schedule, jnp.asarray(0)) == pytest.approx(1e-2)


def test_the_plateau_equals_the_reference():
    errors = (
        *(1, 0.9, 0.89, 0.885, 0.884, 0.883, 0.882, 0.8815),
        *(0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.695, 0.6931, 0.6929),
        *(0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6),
    )
    # ReduceLROnPlateau(mode="min", factor=0.2, threshold=0.01, patience=5), torch 2.13.
    expected = [1.0] * 14 + [0.2] * 9 + [0.04]
    state, factors = optimizers.plateau(), []
    for error in errors:
        state = optimizers.on_plateau(state, float(error))
        factors.append(optax.tree.get(state, "scale"))
    np.testing.assert_allclose(factors, expected, rtol=1e-6)
