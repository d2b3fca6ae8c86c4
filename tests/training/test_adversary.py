import pytest

from jaxrestore import errors
from jaxrestore.training import adversary


def _check(config, parts=1, scale=1):
    adversary.check(config, parts, scale)


def test_the_main_recipe_keeps_the_rules(tiny):
    _check(tiny(), parts=2)  # two images a part: each has another to be paired with


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"adversarial.generator_steps": 3, "adversarial.discriminator_steps": 2},
            "discriminator_steps are 3 and 2; one is 1",
        ),
        (
            {"discriminator.conditional": False},
            "config.adversarial.mismatched is 0.25, but the discriminator does not see",
        ),
        (
            {"discriminator.conditional": False, "adversarial.mismatched": 0.0},
            "config.adversarial.identity is 0.25, but the discriminator does not see",
        ),
        ({"batch_size": 1}, "mismatched pairs an image with another one"),
        (
            {"adversarial.cutmix": 0.5, "discriminator.one_number": True},
            "cutmix is judged patch by patch",
        ),
        (
            {"adversarial.cutmix": 0.5, "adversarial.mode": "relativistic_lsgan"},
            "'relativistic_lsgan', which compares images",
        ),
        (
            {"adversarial.penalty": "r1", "discriminator.norm": "batch"},
            "penalty is 'r1', the gradient of each image by itself",
        ),
        (
            {"adversarial.penalty": "gradient_damaged"},
            "damaged pixels alone, but pixel_shuffle cannot say which they are",
        ),
        (
            {"adversarial.penalty": "gradient_damaged", "degradation": None},
            "damaged pixels alone, but pairs cannot say which they are",
        ),
        ({"adversarial.mode": "wgan"}, "whose critic grows without bound"),
        (
            {
                "adversarial.mode": "wgan",
                "adversarial.penalty": "gradient",
                "adversarial.penalty_weight": 0.0,
            },
            "whose critic grows without bound",
        ),
    ],
)
def test_a_contradiction_is_one_sentence(tiny, changes, says):
    with pytest.raises(errors.ConfigError) as caught:
        _check(tiny(**{name.replace(".", "__"): x for name, x in changes.items()}))
    assert says in str(caught.value)


def test_parts_of_one_image_have_no_other_to_be_paired_with(tiny):
    with pytest.raises(errors.ConfigError, match="accumulate of 2 or more"):
        _check(tiny(), parts=4)
    _check(tiny(adversarial__mismatched=0.0), parts=4)


def test_what_is_enlarged_is_judged_without_its_input(tiny):
    with pytest.raises(errors.ConfigError, match=r"\(fcn\) has scale 2"):
        _check(tiny(), scale=2)
    alone = {"adversarial__mismatched": 0.0, "adversarial__identity": 0.0}
    _check(tiny(discriminator__conditional=False, **alone), scale=2)


def test_a_critic_may_be_held_at_the_pixels_that_holes_damage(tiny):
    config = tiny(adversarial__penalty="gradient_damaged", adversarial__mode="wgan")
    config["degradation"] = {"name": "holes"}
    _check(config)


@pytest.mark.parametrize(
    "held",
    [{"adversarial__penalty": "gradient"}, {"discriminator__spectral_norm": True}],
)
def test_a_critic_that_something_holds_may_be_a_wgan(tiny, held):
    _check(tiny(adversarial__mode="wgan", **held))
