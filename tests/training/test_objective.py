import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.training import objective, recipe, rules, setup

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


HOLE = jnp.zeros((2, 4, 4, 1)).at[0, :2, :2].set(1).at[1, 1, 1].set(1)


def test_a_row_may_look_at_damaged_or_at_intact_pixels_alone():
    # Off by 0.5 in the hole and by 0.25 outside of it.
    outputs = {"restored": TARGET + 0.25 + 0.25 * HOLE, "coarse": TARGET - 0.25 * HOLE}
    table = {
        "restored": {
            "l1": {"weight": 2.0, "where": "damaged"},
            "mse": {"weight": 3.0, "where": "intact"},
            "charbonnier": {"weight": 0.0, "epsilon": 1e-6},
        },
        "coarse": {"l1": {"weight": 5.0, "where": "intact"}},
    }
    total, terms = objective.evaluate(table, outputs, TARGET, damage=HOLE)
    assert float(terms["restored/l1"]) == pytest.approx(0.5)
    assert float(terms["restored/mse"]) == pytest.approx(0.0625)
    # Holes of 4 and of 1 of the 16 pixels; the row without a place looks at all.
    every = 0.25 + 0.25 * (4 + 1) / 32
    assert float(terms["restored/charbonnier"]) == pytest.approx(every, rel=1e-4)
    assert float(terms["coarse/l1"]) == 0
    assert float(total) == pytest.approx(2 * 0.5 + 3 * 0.0625)


def test_the_place_of_a_row_counts_and_not_the_weight_of_pixels():
    outputs = {"restored": TARGET + 0.25 * HOLE}
    rows = {"l1": {"weight": 1.0, "where": "damaged"}, "mse": 1.0}
    nowhere = jnp.zeros((2, 4, 4, 1))
    table = {"restored": rows}
    _, terms = objective.evaluate(table, outputs, TARGET, nowhere, damage=HOLE)
    assert float(terms["restored/l1"]) == pytest.approx(0.25)
    assert float(terms["restored/mse"]) == 0


def test_without_a_hole_a_row_that_looks_inside_is_zero_and_finite():
    outputs = {"restored": TARGET + 0.25}
    table = {"restored": {"l1": {"weight": 1.0, "where": "damaged"}}}
    total, _ = objective.evaluate(table, outputs, TARGET, damage=0 * HOLE)
    assert float(total) == 0


@pytest.mark.parametrize(
    ("loss", "row", "degradation", "says"),
    [
        ("l1", {"where": "intac"}, {"name": "holes"}, "'intac': did you mean 'intact'"),
        ("l1", {"where": None}, {"name": "holes"}, "the where is None"),
        (
            "frequency",
            {"where": "damaged"},
            {"name": "holes"},
            r"losses\.frequency takes no weight of pixels",
        ),
        (
            "l1",
            {"where": "damaged"},
            {"name": "noise", "level": 0.1},
            "noise cannot say which pixels are damaged",
        ),
        ("l1", {"where": "intact"}, None, "pairs of images cannot say which pixels"),
    ],
)
def test_a_place_that_cannot_be_looked_at_is_refused(
    tiny, loss, row, degradation, says
):
    config = tiny()
    config["degradation"] = degradation
    config["data"]["layout"] = "images" if degradation else "AB"
    config["objective"] = {"restored": {loss: {"weight": 1.0, **row}}}
    with pytest.raises(errors.ConfigError, match=rf"restored\.{loss}: .*{says}"):
        rules.check(config)


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


def test_a_weight_with_a_warmup_rises_from_zero_in_equal_steps():
    outputs = {"restored": TARGET + 0.25}
    table = {"restored": {"l1": {"weight": 2.0, "warmup": 4}, "mse": 1.0}}
    totals = []
    for updates in (0, 1, 2, 4, 100):
        total, terms = objective.evaluate(table, outputs, TARGET, updates=updates)
        # A term is reported as it is, whatever it weighs.
        assert float(terms["restored/l1"]) == pytest.approx(0.25)
        totals.append(float(total) - 0.0625)
    assert totals == pytest.approx([0, 0.125, 0.25, 0.5, 0.5])


def test_a_warmup_of_nothing_is_the_whole_weight_from_the_start():
    outputs = {"restored": TARGET + 0.25}
    table = {"restored": {"l1": {"weight": 2.0, "warmup": 0}}}
    total, _ = objective.evaluate(table, outputs, TARGET, updates=jnp.asarray(0))
    assert float(total) == pytest.approx(0.5)


def test_rows_for_an_output_that_is_not_there_are_refused_with_those_that_are(tiny):
    config = tiny()
    config["objective"]["latent"] = {"kl_gaussian": 1.0}
    says = r"has rows for 'latent'.*generator puts out restored alone"
    with pytest.raises(errors.ConfigError, match=says):
        setup.prepare(config)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"weight": 1.0, "warmup": -1}, r"warmup is -1; .* 0 or more"),
        ({"weight": 1.0, "warmup": 2.5}, r"warmup is 2\.5; .*whole number of updates"),
        ({"weight": 1.0, "warmup": True}, "warmup is True"),
        ({"weight": 1.0, "wramup": 3}, r"no option 'wramup'.*'warmup'"),
        ({"warmup": 3}, "needs a weight"),
    ],
)
def test_a_warmup_that_cannot_be_meant_is_refused(tiny, row, says):
    config = tiny()
    config["objective"] = {"restored": {"l1": row}}
    with pytest.raises(errors.ConfigError, match=rf"objective\.restored\.l1: .*{says}"):
        rules.check(config)


def test_a_weight_with_a_warmup_is_an_argument_of_the_step(tiny):
    config = tiny()
    config["objective"] = {"restored": {"l1": {"weight": 2.0, "warmup": 7}}}
    key = "objective.restored.l1.weight"
    assert recipe.numbers(config)[key] == 2.0
    changed = recipe.with_numbers(config, {key: 3.0})
    assert changed["objective"]["restored"]["l1"] == {"weight": 3.0, "warmup": 7}
