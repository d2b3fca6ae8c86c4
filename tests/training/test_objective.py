import jax.numpy as jnp
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
