import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.evaluation import evaluate, hole_shares


def _row(share, psnr=20.0, intact=np.inf):
    return {"image": "x", "restored_psnr": psnr, "gain_psnr": 1.0} | {
        "hole_share": share,
        "intact_psnr": intact,
    }


def _lost(count, side=10):
    """A mask of a square picture of which so many pixels were lost."""
    damage = np.zeros(side * side, np.float32)
    damage[:count] = 1
    return damage.reshape(side, side, 1)


def test_columns_by_hand():
    target = jnp.full((3, 10, 10, 1), 0.4)
    damage = jnp.stack([_lost(10), _lost(0), _lost(100)])
    # A level of 8 bits too much, everywhere; of the first image in the hole alone.
    images = target + jnp.stack([damage[0], 1 - damage[1], damage[2]]) / 255
    found = hole_shares.columns(images, target, damage)
    np.testing.assert_array_equal(found["hole_share"], [0.1, 0, 1])
    one_level = 20 * np.log10(255)
    np.testing.assert_allclose(found["intact_psnr"], [np.inf, one_level, np.nan])


def test_a_soft_mask_counts_as_the_protocol_counts_it():
    target = jnp.full((1, 4, 4, 1), 0.5)
    damage = jnp.full((1, 4, 4, 1), 0.4).at[:, :2].set(0.6)
    images = target.at[:, :2].add(0.1)
    found = hole_shares.columns(images, target, damage)
    assert (found["hole_share"][0], found["intact_psnr"][0]) == (0.5, np.inf)


def test_a_probe_finds_the_columns_and_no_panels():
    damage = jnp.asarray(_lost(25)[None])
    target = jnp.full((1, 10, 10, 3), 0.5)
    degraded = jnp.concatenate([target, damage], -1)
    question = evaluate.Question([0], ["a"], None, target, degraded, damage)
    found = hole_shares.probe(question, target)
    assert found.numbers["hole_share"] == [0.25] and not found.panels


@pytest.mark.parametrize(
    ("share", "place"),
    [
        (0.0, None),
        (0.01, None),
        (0.0101, 0),
        (0.1, 0),  # the upper limit belongs to its class
        (10 / 100 + 1e-9, 1),
        (0.3, 2),
        (0.6, 5),
        (0.61, None),
    ],
)
def test_a_share_stands_in_one_class_or_outside_of_all(share, place):
    summary = hole_shares.summarize([_row(share)])
    counts = [part["images"] for part in summary["classes"]]
    assert counts == [int(index == place) for index in range(6)]
    assert summary["outside"] == int(place is None)


def test_a_class_has_the_means_of_its_own_images():
    shares, scores = (0.05, 0.07, 0.25, 0.0), (30.0, 40.0, 10.0, np.inf)
    summary = hole_shares.summarize([*map(_row, shares, scores)])
    named = hole_shares.occupied(summary)
    assert [name for name, _ in named] == ["1-10 %", "20-30 %"]
    means = [part["metrics"]["psnr"]["mean"] for _, part in named]
    assert means == [35.0, 10.0]
    assert sum(part["images"] for part in summary["classes"]) + summary["outside"] == 4
    assert summary["classes"][1]["metrics"] == {}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([_row(0.2)], ["known pixels came back exactly in every image"]),
        (
            [_row(0.2), _row(0.9, intact=40.0), _row(0.0, intact=50.0)],
            [
                "2 images in no class: 1 % or less was lost, or more than 60 %",
                "known pixels changed in 2 images, with a PSNR of 45.00 dB, exact in 1",
            ],
        ),
        (
            [_row(0.2, intact=40.0)],
            ["known pixels changed in 1 image, with a PSNR of 40.00 dB"],
        ),
        (
            [_row(1.0, intact=np.nan)],
            ["1 image in no class: 1 % or less was lost, or more than 60 %"],
        ),
    ],
)
def test_what_is_outside_of_the_table_is_said(rows, said):
    assert hole_shares.notes(hole_shares.summarize(rows)) == said
