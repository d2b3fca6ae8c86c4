import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.training import objective

TARGET = jnp.full((2, 4, 4, 3), 0.5)


def test_the_total_is_the_weighted_sum_of_its_rows():
    outputs = {"restored": TARGET + 0.25, "coarse": TARGET - 0.5}
    table = {"restored": {"l1": 2.0, "mse": 1.0}, "coarse": {"l1": 3.0}}
    total, terms = objective.evaluate(table, outputs, TARGET)
    assert float(terms["restored/l1"]) == pytest.approx(0.25)
    assert float(terms["restored/mse"]) == pytest.approx(0.0625)
    assert float(terms["coarse/l1"]) == pytest.approx(0.5)
    assert float(total) == pytest.approx(2 * 0.25 + 0.0625 + 3 * 0.5)


def test_a_deleted_row_is_the_ablation():
    outputs = {"restored": TARGET + 0.25}
    with_both, _ = objective.evaluate(
        {"restored": {"l1": 1.0, "mse": 1.0}}, outputs, TARGET
    )
    without, terms = objective.evaluate({"restored": {"mse": 1.0}}, outputs, TARGET)
    assert list(terms) == ["restored/mse"]
    assert float(with_both - without) == pytest.approx(0.25)


def test_options_of_a_row_reach_its_loss():
    outputs = {"restored": TARGET + 0.25}
    row = {"charbonnier": {"weight": 1.0, "epsilon": 10.0}}
    rough, _ = objective.evaluate({"restored": row}, outputs, TARGET)
    fine, _ = objective.evaluate({"restored": {"charbonnier": 1.0}}, outputs, TARGET)
    assert float(rough) < 0.1 * float(fine)


def test_the_weight_of_pixels_reaches_the_losses_that_take_one():
    # An error in the left half alone, where the weight lies.
    left = jnp.arange(4) < 2
    outputs = {"restored": TARGET + 0.25 * left[:, None]}
    weight = jnp.broadcast_to(jnp.float32(left)[:, None], (2, 4, 4, 1))
    table = {"restored": {"l1": 2.0, "huber": {"weight": 3.0, "delta": 1.0}}}
    total, terms = objective.evaluate(table, outputs, TARGET, weight)
    assert float(terms["restored/l1"]) == pytest.approx(0.25)
    assert float(terms["restored/huber"]) == pytest.approx(0.25**2 / 2)
    assert float(total) == pytest.approx(2 * 0.25 + 3 * 0.25**2 / 2)
    _, plain = objective.evaluate(table, outputs, TARGET)
    assert float(plain["restored/l1"]) == pytest.approx(0.25 / 2)


def test_a_loss_without_weights_of_pixels_is_not_given_any():
    outputs = {"restored": TARGET + 0.25, "latent": jnp.ones((2, 6))}
    table = {"restored": {"frequency": 1.0}, "latent": {"kl_gaussian": 0.5}}
    weight = jnp.zeros((2, 4, 4, 1))
    total, terms = objective.evaluate(table, outputs, TARGET, weight)
    # Three means of 1, three log-variances of 1: (1 + e - 2) / 2 each.
    kl = 3 * (np.e - 1) / 2
    assert float(terms["latent/kl_gaussian"]) == pytest.approx(kl, rel=1e-5)
    # 16 pixels: one frequency of 16 is off, by 4 * 0.25.
    assert float(terms["restored/frequency"]) == pytest.approx(1 / 16, rel=1e-3)
    assert float(total) == pytest.approx(1 / 16 + kl / 2, rel=1e-3)
