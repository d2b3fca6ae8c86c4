import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.prior import stopping


def _records(held_out, variances=None, every=100):
    variances = held_out if variances is None else variances
    pairs = zip(held_out, variances, strict=True)
    return [
        stopping.Record(every * (n + 1), 0.0, held, variance)
        for n, (held, variance) in enumerate(pairs)
    ]


def test_a_rule_finds_the_record_with_its_least_score():
    records = _records([3.0, 1.0, 2.0], [1.0, 2.0, 3.0])
    assert stopping.best(stopping.rule("held_out"), records) == 1
    assert stopping.best(stopping.rule("variance"), records) == 0


def test_without_a_finite_score_the_last_record_is_the_best():
    records = _records([np.nan, np.nan], [np.inf, np.inf])
    for name in stopping.RULES:
        assert stopping.best(stopping.rule(name), records) == 1
        assert not stopping.ends(stopping.rule(name), records)


def test_a_window_that_is_not_full_is_passed_over():
    records = _records([1.0, 1.0, 1.0], [np.inf, 2.0, 3.0])
    assert stopping.best(stopping.rule("variance"), records) == 1


@pytest.mark.parametrize("name", stopping.RULES)
def test_a_fit_ends_when_the_best_record_lies_its_patience_behind(name):
    rule = stopping.rule(name)
    behind = rule.patience // 100
    scores = [2.0, 1.0, *[1.5] * behind]
    assert stopping.ends(rule, _records(scores))
    assert not stopping.ends(rule, _records(scores[:-1]))


def test_the_variance_of_a_window_is_that_of_all_its_images():
    images = np.random.default_rng(0).random((6, 4, 5, 3))
    halves = images.reshape(2, 3, 4, 5, 3)
    variances = [one.var(0).mean() for one in halves]
    found = stopping.window_variance([one.mean(0) for one in halves], variances)
    np.testing.assert_allclose(found, images.var(0).mean())


def test_two_images_of_one_pixel_vary_by_a_quarter_of_their_squared_distance():
    black, white = np.zeros((1, 1, 1)), np.ones((1, 1, 1))
    assert stopping.window_variance([black, white], [0.0, 0.0]) == 0.25


def test_an_unknown_rule_is_refused_with_all_that_there_are():
    with pytest.raises(errors.ConfigError, match="'loss': there is variance, held_out"):
        stopping.rule("loss")
