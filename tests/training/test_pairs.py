import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import adversarial
from jaxrestore.training import pairs

PLAIN = {
    "mode": "vanilla",
    "mismatched": 0.0,
    "identity": 0.0,
    "cutmix": 0.0,
    "penalty": "none",
    "penalty_weight": 10.0,
}
TARGET = jax.random.uniform(jax.random.key(0), (4, 16, 16, 3))
BATCH = {
    "target": TARGET,
    "restored": TARGET * 0.9,
    "degraded": TARGET * 0.5,
    "key": jax.random.key(1),
}


def judged(**weights):
    """The loss, and the images that a discriminator with constant logits was shown."""
    seen = []

    def judge(image, degraded, stats):
        seen.append(image)
        return jnp.zeros((4, 4, 4, 1)), stats + 1

    loss, stats, _ = pairs.discriminator_loss({**PLAIN, **weights}, judge, BATCH, 0)
    assert stats == len(seen)  # the statistics passed through every call
    return float(loss), seen


@pytest.mark.parametrize(
    ("pair", "cost"),
    [("mismatched", np.log(2)), ("identity", np.log(2)), ("cutmix", np.log(2) / 2)],
)
def test_a_mixed_pair_adds_its_weighted_contest(pair, cost):
    # A discriminator that calls everything even pays log 2 a contest.
    base, shown = judged()
    assert base == pytest.approx(np.log(2)) and len(shown) == 2
    loss, shown = judged(**{pair: 0.25})
    assert loss - base == pytest.approx(0.25 * cost, abs=1e-6)
    assert len(shown) == 3


def test_pairs_are_shown_what_their_names_say():
    _, shown = judged(mismatched=1.0, identity=1.0)
    np.testing.assert_array_equal(shown[0], BATCH["target"])
    np.testing.assert_array_equal(shown[1], BATCH["restored"])
    np.testing.assert_array_equal(shown[2][1:], BATCH["target"][:-1])
    np.testing.assert_array_equal(shown[2][0], BATCH["target"][-1])
    np.testing.assert_array_equal(shown[3], BATCH["degraded"])


def test_a_pool_changes_the_restored_pair_that_is_shown_and_nothing_else():
    seen = []

    def judge(image, degraded, stats):
        seen.append((image, degraded))
        return jnp.zeros((4, 4, 4, 1)), stats

    earlier = {"shown_restored": TARGET * 0.1, "shown_degraded": TARGET * 0.2}
    pairs.discriminator_loss({**PLAIN, "identity": 1.0}, judge, BATCH | earlier, 0)
    own = BATCH["degraded"]
    expected = [(TARGET, own), (TARGET * 0.1, TARGET * 0.2), (own, own)]
    for (image, degraded), (right, condition) in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(image, right)
        np.testing.assert_array_equal(degraded, condition)


def test_cutmix_is_judged_by_what_each_patch_shows():
    cutmix_key, _ = jax.random.split(BATCH["key"])  # the other one is the penalty's
    _, is_real = pairs.cutmix({**BATCH, "key": cutmix_key})
    # Logits that know: +9 where the target shows, -9 elsewhere, at full resolution.
    knows = jnp.where(is_real, 9.0, -9.0)

    def judge(image, degraded, stats):
        return knows, stats

    right, *_ = pairs.discriminator_loss({**PLAIN, "cutmix": 1.0}, judge, BATCH, 0)
    base, *_ = pairs.discriminator_loss(PLAIN, judge, BATCH, 0)
    assert float(right - base) < 1e-3


def test_cutmix_marks_the_pixels_that_show_the_target():
    shape = (8, 16, 16, 3)
    batch = {
        "target": jnp.ones(shape),
        "restored": jnp.zeros(shape),
        "key": jax.random.key(0),
    }
    image, is_real = pairs.cutmix(batch)
    np.testing.assert_array_equal(image, jnp.broadcast_to(is_real, shape))
    areas = np.asarray(is_real).mean((1, 2, 3))
    assert areas.min() < 0.3 and areas.max() > 0.6
    for mark in np.asarray(is_real)[..., 0]:
        rows, columns = np.nonzero(mark)
        if len(rows):
            box = mark[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert box.all()


def brightness(image, degraded, stats):
    """Logits whose gradient is 1 / 768 at each of the 16 x 16 x 3 values."""
    return image.mean((1, 2, 3)).reshape(4, 1, 1, 1), stats + 1


@pytest.mark.parametrize("mode", adversarial.MODES)
def test_the_terms_tell_what_the_logits_say(mode):
    # Real images are brighter than restored ones by a constant, so each is right.
    batch = dict(BATCH, target=0 * TARGET + 0.9, restored=0 * TARGET - 0.9)
    gan = {**PLAIN, "mode": mode}
    loss, _, terms = pairs.discriminator_loss(gan, brightness, batch, 0)
    assert set(terms) == {
        *("loss", "logit_real", "logit_fake", "accuracy_real", "accuracy_fake")
    }
    assert terms["loss"] == loss
    assert (terms["accuracy_real"], terms["accuracy_fake"]) == (1, 1)
    assert terms["logit_real"] == pytest.approx(0.9, rel=1e-5)
    assert terms["logit_fake"] == pytest.approx(-0.9, rel=1e-5)
    batch = dict(batch, target=batch["restored"], restored=batch["target"])
    _, _, terms = pairs.discriminator_loss(gan, brightness, batch, 0)
    assert (terms["accuracy_real"], terms["accuracy_fake"]) == (0, 0)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [("gradient", (1 - 768**-0.5) ** 2), ("r1", 1 / 768)],
)
def test_a_penalty_is_logged_and_joins_as_half_of_its_weight(penalty, expected):
    base, stats, _ = pairs.discriminator_loss(PLAIN, brightness, BATCH, 0)
    gan = {**PLAIN, "penalty": penalty, "penalty_weight": 3.0}
    loss, after, terms = pairs.discriminator_loss(gan, brightness, BATCH, 0)
    assert terms["penalty"] == pytest.approx(expected, rel=1e-4)
    assert loss - base == pytest.approx(3 / 2 * expected, rel=1e-3)
    assert after == stats == 2  # the judgement for the penalty moves no statistics


def test_the_penalty_of_damaged_pixels_looks_at_these_alone():
    damage = jnp.zeros((4, 16, 16, 1)).at[:, :4, :4].set(1)
    gan = {**PLAIN, "penalty": "gradient_damaged", "penalty_weight": 3.0}
    batch = {**BATCH, "damage": damage}
    base, *_ = pairs.discriminator_loss(PLAIN, brightness, batch, 0)
    loss, _, terms = pairs.discriminator_loss(gan, brightness, batch, 0)
    # 48 of the values, each with a slope of 1 / 768.
    expected = (1 - 48**0.5 / 768) ** 2
    assert terms["penalty"] == pytest.approx(expected, rel=1e-4)
    assert loss - base == pytest.approx(3 / 2 * expected, rel=1e-3)


def test_the_penalty_is_taken_between_the_target_and_what_is_restored():
    # The gradient of x^2 / 2 is x: at 48 damaged values the share of the target.
    judge = lambda image, degraded, stats: (
        jnp.square(image).sum((1, 2, 3)) / 2,
        stats,
    )
    damage = jnp.zeros((4, 16, 16, 1)).at[:, :4, :4].set(1)
    white = {"target": 0 * TARGET + 1, "restored": 0 * TARGET, "damage": damage}
    gan = {**PLAIN, "penalty": "gradient_damaged"}
    _, _, terms = pairs.discriminator_loss(gan, judge, {**BATCH, **white}, 0)
    share = jax.random.uniform(jax.random.split(BATCH["key"])[1], (4, 1, 1, 1))
    expected = np.square(48**0.5 * np.asarray(share) - 1).mean()
    assert terms["penalty"] == pytest.approx(expected, rel=1e-4)


def test_cutmix_and_the_penalty_draw_from_keys_of_their_own():
    shown = []

    def judge(image, degraded, stats):
        shown.append(image)
        return jnp.square(image).mean((1, 2, 3)).reshape(4, 1, 1, 1), stats

    both = {**PLAIN, "cutmix": 1.0, "penalty": "gradient"}
    pairs.discriminator_loss(both, judge, BATCH, 0)
    pairs.discriminator_loss({**PLAIN, "cutmix": 1.0}, judge, BATCH, 0)
    # Two, the mixed one, one inside the gradient; then two and the mixed one again.
    assert len(shown) == 7
    np.testing.assert_array_equal(shown[2], shown[6])
