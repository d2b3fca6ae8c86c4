"""Interval, test and correction: by hand, beside SciPy, and by simulation."""

import numpy as np
import pytest
import scipy.stats

from jaxrestore.comparing import significance


def drawn(count, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1.0, count)


def test_three_differences_of_one_sign_have_two_of_eight_patterns():
    # Only +++ and --- have a mean as far from zero.
    assert significance.sign_flip(np.array([1.0, 2.0, 4.0])) == 2 / 8
    # Four: +++ and +-+ less far; 1 + 2 - 4 is -1, and so is its opposite.
    assert significance.sign_flip(np.array([-4.0, 1.0, 2.0])) == 8 / 8
    assert significance.sign_flip(np.array([5.0])) == 1.0


def test_equal_arms_have_a_p_of_one_and_an_interval_of_zero():
    for count in (4, 40):
        nothing = np.zeros(count)
        assert significance.sign_flip(nothing, flips=99) == 1.0
        assert significance.interval(nothing, resamples=99) == (0.0, 0.0)


@pytest.mark.parametrize("mean", [0.0, 0.4, 1.0])
def test_up_to_fifteen_images_p_is_that_of_scipy_s_exact_test(mean):
    differences = drawn(significance.EXACT, mean)
    expected = scipy.stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=2**significance.EXACT,
    )
    found = significance.sign_flip(differences)
    assert found == pytest.approx(expected.pvalue, rel=1e-9)


def test_drawn_sign_patterns_come_near_to_the_exact_p(monkeypatch):
    differences = drawn(12, 0.4)
    exact = significance.sign_flip(differences)
    monkeypatch.setattr(significance, "EXACT", 0)
    found = significance.sign_flip(differences, flips=2999)  # of 4096 patterns
    # Five standard deviations of twice a share among so many draws.
    assert found == pytest.approx(exact, abs=5 * np.sqrt(2 * exact / 2999))
    assert found != exact


def test_the_least_p_of_drawn_patterns_counts_the_one_that_was_seen():
    assert significance.sign_flip(np.ones(60), flips=99) == 2 / 100


def test_for_many_images_p_is_near_to_that_of_the_t_test():
    differences = drawn(200, 0.15)
    expected = float(np.asarray(scipy.stats.ttest_1samp(differences, 0))[1])
    assert 0.005 < expected < 0.2  # or nearness would say nothing
    assert significance.sign_flip(differences) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("count", [9, 50])
def test_other_signs_turn_the_interval_round_and_keep_p(count):
    differences = drawn(count, 0.3)
    low, high = significance.interval(differences)
    assert significance.interval(-differences) == pytest.approx((-high, -low))
    p = significance.sign_flip(differences)
    assert significance.sign_flip(-differences) == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_unit_of_a_measure_changes_nothing(factor):
    differences = drawn(50, 0.3)
    scaled = [factor * bound for bound in significance.interval(differences)]
    assert significance.interval(factor * differences) == pytest.approx(scaled)
    p = significance.sign_flip(differences)
    assert significance.sign_flip(factor * differences) == pytest.approx(p)


def test_the_interval_is_the_percentile_interval_of_scipy():
    differences = drawn(60, 0.3)
    expected = scipy.stats.bootstrap(
        (differences,), np.mean, n_resamples=9999, method="percentile", rng=1
    ).confidence_interval
    found = significance.interval(differences)
    assert found == pytest.approx(tuple(expected), abs=0.02)


def test_intervals_cover_and_tests_err_as_often_as_they_say():
    generator = np.random.default_rng(0)
    studies = generator.normal(0.0, 1.0, (400, 50))
    intervals = [significance.interval(x, resamples=400) for x in studies]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert 0.91 <= covered <= 0.97  # 0.94 by theory, deviation 0.012
    wrong = np.mean([significance.sign_flip(x, flips=399) <= 0.05 for x in studies])
    assert 0.017 <= wrong <= 0.083  # 0.05, three deviations of 0.011


def test_holm_multiplies_the_least_by_all_and_never_falls():
    # 4 x 0.01; 3 x 0.02; 2 x 0.025 would be less than 0.06; 0.9.
    found = significance.holm([0.02, 0.9, 0.01, 0.025])
    assert found == pytest.approx([0.06, 0.9, 0.04, 0.06])
    assert significance.holm([0.6, 0.7]) == [1.0, 1.0]
    assert significance.holm([]) == []


def test_two_arms_are_compared_over_images_after_their_seeds_are_averaged():
    first = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    second = np.array([[4.0, 1.0, 5.0]])
    found = significance.paired(first, second)
    # Differences 2, -1, 3; the seeds' means are 2 and 2, and 10 / 3.
    assert found.difference == pytest.approx(4 / 3)
    assert (found.images_better, found.images) == (2, 3)
    assert (found.seeds_better, found.seed_pairs) == (2, 2)
    assert found.p == 4 / 8  # as far: 2 - 1 + 3, 2 + 1 + 3, and their opposites
    assert found.low == -1.0 and found.high == 3.0


def test_the_other_arm_first_turns_all_signs():
    generator = np.random.default_rng(1)
    first, second = generator.random((2, 30)), generator.random((3, 30)) + 0.1
    one, other = (
        significance.paired(first, second),
        significance.paired(second, first),
    )
    assert other.difference == pytest.approx(-one.difference)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.p == pytest.approx(one.p)
    assert other.images_better + one.images_better == 30
    assert other.seeds_better + one.seeds_better == one.seed_pairs == 6


def test_seeds_that_disagree_are_seen():
    first = np.stack([np.zeros(20), np.full(20, 3.0)])
    second = np.stack([np.full(20, 2.0), np.full(20, 4.0)])
    found = significance.paired(first, second)
    assert found.difference == 1.5 and found.images_better == 20
    assert (found.seeds_better, found.seed_pairs) == (3, 4)
