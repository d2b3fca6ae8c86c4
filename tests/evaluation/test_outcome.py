import copy

import pytest

from jaxrestore import errors
from jaxrestore.evaluation import outcome

CONFIG = {
    "steps": 3,
    "degradation": {"name": "noise", "level": (0.0, 0.2)},
    "optimizer": {"generator": {"rate": 1e-3}},
    "adversarial": None,
}


def test_keys_of_one_two_and_three_parts_are_changed_in_a_copy():
    before = copy.deepcopy(CONFIG)
    changes = {
        "steps": 4,
        "degradation.level": 0.1,
        "optimizer.generator.rate": 1e-4,
        "adversarial": {"mode": "ls"},
    }
    assert outcome.with_changes(CONFIG, changes) == {
        "steps": 4,
        "degradation": {"name": "noise", "level": 0.1},
        "optimizer": {"generator": {"rate": 1e-4}},
        "adversarial": {"mode": "ls"},
    }
    assert before == CONFIG


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("stepz", "did you mean 'steps'"),
        ("degradation.levle", "did you mean 'level'"),
        ("optimizer.genrator.rate", "did you mean 'generator'"),
        ("optimizer.generator.rat", "did you mean 'rate'"),
        ("adversarial.mode", "adversarial holds no keys"),
        ("steps.every", "steps holds no keys"),
    ],
)
def test_a_key_that_is_not_there_is_refused_with_the_nearest(key, hint):
    with pytest.raises(errors.ConfigError, match=f"no config.{key} to score .*{hint}"):
        outcome.with_changes(CONFIG, {key: 1})
