import numpy as np
import pytest
from scipy import optimize, stats

from jaxrestore import errors
from jaxrestore.raters import bradley_terry

WINS = np.array([[0, 7, 9, 3], [5, 0, 8, 6], [2, 4, 0, 7], [1, 1, 6, 0]], float)
STRENGTHS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
EACH = 80  # of each pair: 20 raters who answer 40 questions


def _drawn(rng, strengths=STRENGTHS, each=EACH):
    wins = np.zeros((len(strengths), len(strengths)))
    for i, j in zip(*np.triu_indices(len(strengths), 1), strict=True):
        chance = 1 / (1 + np.exp(strengths[j] - strengths[i]))
        wins[i, j] = rng.binomial(each, chance)
        wins[j, i] = each - wins[i, j]
    return wins


def test_three_wins_of_four_are_odds_of_three():
    fit = bradley_terry.fit(np.array([[0, 3], [1, 0]]))
    np.testing.assert_allclose(fit.strength, [np.log(3) / 2, -np.log(3) / 2])
    # The information of the difference is n p q = 4 * 3/4 * 1/4, of which the
    # strengths are the halves.
    half = 1.959964 * np.sqrt(1 / 0.75) / 2
    np.testing.assert_allclose(fit.high - fit.strength, [half, half])
    np.testing.assert_allclose(fit.strength - fit.low, [half, half])
    assert not fit.regularised


def test_the_strengths_are_those_of_hunters_iteration():
    worth = np.ones(4)
    met = WINS + WINS.T
    for _ in range(2000):
        worth = WINS.sum(1) / (met / (worth[:, None] + worth)).sum(1)
    expected = np.log(worth) - np.log(worth).mean()
    np.testing.assert_allclose(bradley_terry.fit(WINS).strength, expected, atol=1e-8)


def test_the_covariance_is_that_of_a_logistic_regression():
    # The last strength is minus the sum of the others: free parameters, whose
    # curvature is measured by differences instead of by a formula.
    def loss(free):
        return -bradley_terry.log_likelihood(WINS, np.append(free, -free.sum()))

    free = bradley_terry.fit(WINS).strength[:3]
    slope = lambda x: np.asarray(optimize.approx_fprime(x, loss))
    step = 1e-4
    hessian = np.array(
        [(slope(free + e) - slope(free)) / step for e in step * np.eye(3)]
    )
    spread = np.vstack([np.eye(3), -np.ones(3)])
    expected = spread @ np.linalg.inv(hessian) @ spread.T
    covariance = bradley_terry.fit(WINS).covariance
    np.testing.assert_allclose(covariance, expected, rtol=0.01)


def test_strengths_sum_to_zero_and_move_with_their_methods():
    fit = bradley_terry.fit(WINS)
    assert fit.strength.sum() == pytest.approx(0, abs=1e-12)
    order = [2, 0, 3, 1]
    moved = bradley_terry.fit(WINS[np.ix_(order, order)])
    np.testing.assert_allclose(moved.strength, fit.strength[order], atol=1e-9)


def test_four_times_the_answers_halve_the_intervals():
    once, more = bradley_terry.fit(WINS), bradley_terry.fit(4 * WINS)
    np.testing.assert_allclose(more.strength, once.strength, atol=1e-9)
    np.testing.assert_allclose(more.high - more.low, (once.high - once.low) / 2)


def test_who_wins_everything_gets_half_a_win_against_him_and_it_is_said():
    fit = bradley_terry.fit(np.array([[0, 10], [0, 0]]))
    assert fit.regularised
    assert fit.strength[0] - fit.strength[1] == pytest.approx(np.log(10.5 / 0.5))
    # Two groups: each method wins and loses, but one group wins all between them.
    groups = np.array([[0, 3, 5, 5], [3, 0, 5, 5], [0, 0, 0, 3], [0, 0, 3, 0]])
    fit = bradley_terry.fit(groups)
    assert fit.regularised and np.isfinite(fit.strength).all()
    # Not compared, no half win: 0 and 2 know each other by way of 1 alone.
    chain = bradley_terry.fit(np.array([[0, 8, 0], [0, 0, 8], [0, 0, 0]]))
    step = np.log(8.5 / 0.5)
    np.testing.assert_allclose(chain.strength, [step, 0, -step], atol=1e-9)


def test_a_far_maximum_is_reached():
    fit = bradley_terry.fit(np.array([[0, 1e6], [1, 0]]))
    assert fit.strength[0] - fit.strength[1] == pytest.approx(np.log(1e6))


@pytest.mark.parametrize(
    "wins", [np.zeros((3, 3)), np.diag([5.0, 5]), [[0, 3, 0], [2, 0, 0], [0, 0, 0]]]
)
def test_methods_that_never_met_have_no_common_scale(wins):
    with pytest.raises(errors.ConfigError, match="never compared"):
        bradley_terry.fit(np.array(wins))


@pytest.mark.parametrize("wins", [np.full((2, 2), -1), np.full((2, 2), np.nan)])
def test_what_is_no_count_is_refused(wins):
    with pytest.raises(ValueError, match="counts"):
        bradley_terry.fit(wins)


def test_simulated_raters_give_the_order_and_the_intervals_cover():
    rng = np.random.default_rng(0)
    fits = [bradley_terry.fit(_drawn(rng)) for _ in range(200)]
    ordered = np.mean([(np.diff(fit.strength) > 0).all() for fit in fits])
    # Neighbours are 0.5 apart, with a standard error of about
    # sqrt(2 / (5 * 80 * 0.22)) = 0.15: four of them are in order in 99.8 % of draws.
    assert ordered >= 0.95
    covered = [(fit.low <= STRENGTHS) & (fit.high >= STRENGTHS) for fit in fits]
    # Of 1000 intervals, nearly independent, 95 % +- 0.7 % (one standard error) cover;
    # intervals of 90 % or of 99 % would miss these bounds by four of them and more.
    assert 0.93 <= np.mean(covered) <= 0.97


def test_over_two_raters_the_covariance_is_that_of_their_slopes():
    # 4 wins to 0, and 2 to 2: odds of 3, slopes of +1 and -1, information 8 p q.
    each = np.array([[[0, 4], [0, 0]], [[0, 2], [2, 0]]], float)
    fit = bradley_terry.fit(each.sum(0))
    covariance = bradley_terry.covariance_over_raters(each, fit.strength)
    # Of the difference: 2 / (r - 1) times the two squares, by the information squared;
    # a strength is half of it.
    variance = 2 * (1 + 1) / (8 * 3 / 16) ** 2 / 4
    expected = variance * np.array([[1, -1], [-1, 1]])
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_raters_of_one_taste_need_no_wider_intervals():
    rng = np.random.default_rng(0)
    each = np.stack([_drawn(rng, each=8) for _ in range(400)])
    fit = bradley_terry.fit(each.sum(0))
    covariance = bradley_terry.covariance_over_raters(each, fit.strength)
    # A variance from 400 raters has a standard error of sqrt(2 / 400) = 7 %.
    np.testing.assert_allclose(np.diag(covariance), np.diag(fit.covariance), rtol=0.25)


def test_raters_of_different_tastes_get_intervals_as_wide_as_they_are_apart():
    rng = np.random.default_rng(0)
    fits, plain, over = [], [], []
    for _ in range(200):
        tastes = np.array([-1.0, 0.0, 1.0]) + rng.normal(0, 0.7, (20, 3))
        each = np.stack([_drawn(rng, taste, 10) for taste in tastes])
        fits.append(bradley_terry.fit(each.sum(0)))
        plain.append(np.diag(fits[-1].covariance))
        covariance = bradley_terry.covariance_over_raters(each, fits[-1].strength)
        over.append(np.diag(covariance))
    actual = np.var([fit.strength for fit in fits], axis=0, ddof=1)
    # From 200 draws the actual variance is known to sqrt(2 / 200) = 10 %.
    np.testing.assert_allclose(np.mean(over, axis=0), actual, rtol=0.3)
    assert (np.mean(plain, axis=0) < 0.6 * actual).all()


@pytest.mark.parametrize("degrees", [9, 19, 100])
def test_students_quantile_is_scipys(degrees):
    expected = stats.t.ppf(0.975, degrees)
    assert bradley_terry.student(degrees) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("successes, trials", [(0, 10), (3, 10), (10, 10), (61, 143)])
def test_wilsons_interval_is_scipys(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert bradley_terry.wilson(successes, trials) == pytest.approx(
        (expected.low, expected.high), abs=1e-6
    )


def test_without_a_trial_a_share_may_be_anything():
    assert bradley_terry.wilson(0, 0) == (0, 1)
