import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from jaxrestore import errors
from jaxrestore.raters import scores as perceptual_scores
from jaxrestore.raters import tables

METHODS = ("gan", "l1", "none")
PSNR = {"gan": 24.0, "l1": 30.0, "none": 20.0}  # prefers l1, which people do not
SSIM = {"gan": 0.9, "l1": 0.8, "none": 0.5}
CATCH = [
    {"left": "target", "right": "blurred"},
    {"left": "blurred", "right": "target"},
]


def _study(folder, pairs: Sequence[tuple[str, str]], kind="2afc", repeats=4, catch=2):
    """A key whose every pair is asked of `repeats` images, sides in turn."""
    trials = []
    for n, (pair, image) in enumerate(itertools.product(pairs, range(repeats))):
        left, right = pair if n % 2 else pair[::-1]
        row = {"image": f"i{image}", "left": left, "right": right, "catch": False}
        trials.append(row)
    trials += [{"image": "i0", "catch": True, **sides} for sides in CATCH[:catch]]
    key = {
        "study": "abc",
        "kind": kind,
        "methods": {name: name for name in METHODS},
        "trials": [{"trial": f"q{n}", **trial} for n, trial in enumerate(trials)],
        "images": [
            {
                "stem": f"i{image}",
                "metrics": {
                    name: {"psnr": PSNR[name] + image, "ssim": SSIM[name]}
                    for name in METHODS
                },
            }
            for image in range(repeats)
        ],
    }
    (folder / "answers").mkdir()
    (folder / "study.json").write_text(json.dumps(key))
    return key


def _answer(folder, key, rater, prefers, seconds=2.0):
    """Writes the file of a rater who chooses what `prefers(left, right)` returns."""
    rows = []
    for trial in key["trials"]:
        roles = trial["left"], trial["right"]
        chosen = "target" if trial["catch"] else prefers(*roles)
        answer = ("left", "right")[roles.index(chosen)]
        rows.append({"trial": trial["trial"], "answer": answer, "seconds": seconds})
    document = {"study": "abc", "rater": rater, "answers": rows}
    path = folder / "answers" / f"{rater}-1.json"
    path.write_text(json.dumps(document))
    return path


PAIRS = [*itertools.combinations(METHODS, 2)]


def _by_order(*order):
    return lambda left, right: min(left, right, key=order.index)


@pytest.fixture
def two_raters(tmp_path):
    """Both put gan first; they differ about l1 against none."""
    key = _study(tmp_path, PAIRS)
    _answer(tmp_path, key, "ann", _by_order("gan", "l1", "none"), 1.0)
    _answer(tmp_path, key, "bob", _by_order("gan", "none", "l1"), 3.0)
    return tmp_path, key


def test_wins_and_scores_are_those_of_the_answers(two_raters):
    result = perceptual_scores.score(two_raters[0])
    assert result["questions"] == 12 and result["answers"] == 24
    assert result["raters"]["counted"] == ["ann", "bob"]
    assert result["raters"]["median_seconds"] == 2.0
    assert result["wins"] == {
        "gan": {"l1": 8, "none": 8},
        "l1": {"gan": 0, "none": 4},
        "none": {"gan": 0, "l1": 4},
    }
    found = result["bradley_terry"]
    # gan never lost: with half a win each way its odds are 8.5 to 0.5 against each.
    assert found["regularised"]
    scores = {name: part["score"] for name, part in found["scores"].items()}
    assert scores["gan"] - scores["l1"] == pytest.approx(np.log(8.5 / 0.5))
    assert scores["l1"] == pytest.approx(scores["none"])
    for part in found["scores"].values():
        assert part["low"] < part["score"] < part["high"]


def test_metrics_are_held_against_what_people_chose(two_raters):
    result = perceptual_scores.score(two_raters[0])
    psnr, ssim = result["metrics"]["psnr"], result["metrics"]["ssim"]
    assert psnr["means"] == {"gan": 25.5, "l1": 31.5, "none": 21.5}
    # PSNR goes with the 8 answers for gan against none, and with 4 of 8 for l1.
    assert psnr["agreement"]["rate"] == pytest.approx(12 / 24)
    assert ssim["agreement"]["rate"] == pytest.approx(20 / 24)
    assert ssim["agreement"]["answers"] == 24
    scores = [result["bradley_terry"]["scores"][n]["score"] for n in METHODS]
    for metric, row in result["metrics"].items():
        means = [row["means"][name] for name in METHODS]
        expected, _ = stats.spearmanr(means, np.round(scores, 9))
        assert row["spearman"] == pytest.approx(expected), metric


def test_a_metric_without_a_preference_has_no_share(tmp_path):
    key = _study(tmp_path, PAIRS)
    for image in key["images"]:
        for name in METHODS:
            image["metrics"][name] = {"psnr": None, "ssim": 0.5}
    (tmp_path / "study.json").write_text(json.dumps(key))
    _answer(tmp_path, key, "ann", _by_order(*METHODS))
    result = perceptual_scores.score(tmp_path)
    for row in result["metrics"].values():
        assert row["spearman"] is None and row["agreement"] is None
    assert result["metrics"]["psnr"]["means"]["gan"] is None  # infinite
    json.dumps(result, allow_nan=False)
    assert "not defined" not in tables.text(result)


def test_who_misses_catch_questions_is_named_and_not_counted(two_raters):
    folder, key = two_raters
    path = _answer(folder, key, "cat", _by_order("none", "l1", "gan"))
    document = json.loads(path.read_text())
    for row in document["answers"]:
        row["answer"] = "left"
    path.write_text(json.dumps(document))
    result = perceptual_scores.score(folder)
    assert result["raters"]["counted"] == ["ann", "bob"]
    excluded = {"cat": "got 1 of 2 catch questions right"}
    assert result["raters"]["excluded"] == excluded
    assert "not counted: cat got 1 of 2" in tables.text(result)
    lenient = perceptual_scores.score(folder, least_caught=0.5)
    assert lenient["raters"]["counted"] == ["ann", "bob", "cat"]
    with pytest.raises(errors.ConfigError, match="no rater is left: cat got 1 of 2"):
        perceptual_scores.score(folder, [path])
    with pytest.raises(errors.ConfigError, match="share from 0 to 1, got 75"):
        perceptual_scores.score(folder, least_caught=75.0)


def test_who_stopped_before_any_catch_question_is_not_counted(two_raters):
    folder, key = two_raters
    path = _answer(folder, key, "dan", _by_order(*METHODS))
    document = json.loads(path.read_text())
    document["answers"] = document["answers"][:5]
    path.write_text(json.dumps(document))
    with pytest.raises(errors.ConfigError, match=r"dan-1\.json: 5 of 14 questions"):
        perceptual_scores.score(folder)
    result = perceptual_scores.score(folder, partial=True)
    assert result["raters"]["excluded"] == {"dan": "got 0 of 0 catch questions right"}


def test_without_catch_questions_everyone_counts(tmp_path):
    key = _study(tmp_path, PAIRS, catch=0)
    _answer(tmp_path, key, "ann", _by_order(*METHODS))
    result = perceptual_scores.score(tmp_path)
    assert result["raters"]["counted"] == ["ann"]
    assert result["agreement"] == {"pairwise": None, "chance": None, "kappa": None}
    assert "no question has two answers" in tables.text(result)


def test_a_method_is_taken_for_real_so_often(tmp_path):
    pairs = [("target", name) for name in METHODS]
    key = _study(tmp_path, pairs, kind="real", repeats=5)
    _answer(tmp_path, key, "ann", _by_order("gan", "target", "l1", "none"))
    _answer(tmp_path, key, "bob", _by_order("target", *METHODS))
    result = perceptual_scores.score(tmp_path)
    rate = result["rates"]["gan"]
    interval = stats.binomtest(5, 10).proportion_ci(method="wilson")
    assert (rate["chosen"], rate["shown"], rate["rate"]) == (5, 10, 0.5)
    assert rate["low"] == pytest.approx(interval.low, abs=1e-6)
    assert rate["high"] == pytest.approx(interval.high, abs=1e-6)
    assert result["rates"]["l1"]["chosen"] == result["rates"]["none"]["chosen"] == 0
    # Ranks of the rates: 3, 1.5, 1.5; of PSNR: 2, 3, 1; of SSIM: 3, 2, 1.
    assert result["metrics"]["psnr"]["spearman"] == pytest.approx(0)
    assert result["metrics"]["ssim"]["spearman"] == pytest.approx(np.sqrt(3) / 2)
    assert "agreement" not in result["metrics"]["psnr"]
    text = tables.text(result)
    assert "5 of 10" in text and "50.0%" in text


def test_the_table_says_all_of_it(two_raters):
    text = tables.text(perceptual_scores.score(two_raters[0]))
    assert "24 answers by 2 raters to 12 questions, 2.0 s each" in text
    assert text.index("gan ") < text.index("l1 ")
    assert "half a win was added" in text and "kappa" in text
    assert "83.3% (" in text  # SSIM: 20 of 24
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_fleiss_example_has_his_kappa():
    # By hand: three raters, four questions. Agreement 1, 1/3, 1, 1/3 has the mean 2/3;
    # 7 of 12 answers are left: chance 49/144 + 25/144.
    found = perceptual_scores.agreement([(3, 0), (2, 1), (0, 3), (2, 1)])
    chance = (49 + 25) / 144
    assert found["pairwise"] == pytest.approx(2 / 3)
    assert found["chance"] == pytest.approx(chance)
    assert found["kappa"] == pytest.approx((2 / 3 - chance) / (1 - chance))
    # A question with one answer has no pair.
    assert perceptual_scores.agreement([(1, 0), (3, 0), (0, 3)])["kappa"] == 1
    same_side = perceptual_scores.agreement([(3, 0), (2, 0)])
    assert same_side == {"pairwise": 1.0, "chance": 1.0, "kappa": None}


def test_raters_who_guess_agree_by_chance():
    given = np.random.default_rng(0).binomial(5, 0.7, 4000)
    found = perceptual_scores.agreement([(int(k), 5 - int(k)) for k in given])
    assert found["pairwise"] == pytest.approx(0.58, abs=0.02)  # 0.7^2 + 0.3^2
    assert found["kappa"] == pytest.approx(0, abs=0.02)


def test_spearman_is_scipys_with_ties_and_infinities():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 5, (2, 8)).astype(float)
        expected, _ = stats.spearmanr(a, b)
        assert perceptual_scores.spearman([*a], [*b]) == pytest.approx(expected)
    assert perceptual_scores.spearman([1.0, np.inf], [0.5, 3.0]) == pytest.approx(1)
    assert perceptual_scores.spearman([1.0, 1.0], [1.0, 3.0]) is None


def test_simulated_raters_answer_files_give_their_order_back(tmp_path):
    strength = {"gan": 0.9, "l1": 0.0, "none": -0.9}
    key = _study(tmp_path, PAIRS, repeats=10)
    rng = np.random.default_rng(0)

    def prefers(left, right):
        odds = np.exp(strength[left] - strength[right])
        return left if rng.random() < odds / (1 + odds) else right

    for n in range(20):
        _answer(tmp_path, key, f"r{n}", prefers)
    found = perceptual_scores.score(tmp_path)["bradley_terry"]
    assert not found["regularised"]
    for name, truth in strength.items():
        part = found["scores"][name]
        # 200 answers a pair: a standard error of 0.09, four of which are allowed.
        assert part["score"] == pytest.approx(truth, abs=0.36)
        width = part["high"] - part["low"]
        assert width == pytest.approx(2 * 1.96 * 0.09, rel=0.2)
        # All have one taste; twenty show their spread within a factor of 1.5.
        over = part["over_raters"]
        assert width / 1.5 < over["high"] - over["low"] < width * 1.5
    few = sorted((tmp_path / "answers").iterdir())[:9]
    found = perceptual_scores.score(tmp_path, few)["bradley_terry"]
    assert all(part["over_raters"] is None for part in found["scores"].values())
