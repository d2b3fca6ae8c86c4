import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import naming, sharding
from jaxrestore.models import fcn
from jaxrestore.ops import resize
from jaxrestore.training import batches, recipe, steps


def images(config, count=1, seed=0):
    generator = np.random.default_rng(seed)
    side = config["crop"]
    # Smooth pictures with a little texture: neighbours differ, but not wildly.
    shape = (count, config["batch_size"], 4, 4, 3)
    coarse = np.float32(generator.uniform(0.1, 0.9, shape))
    enlarge = jax.jit(jax.image.resize, static_argnums=(1, 2))
    whole = enlarge(coarse, (*shape[:2], side, side, 3), "linear")
    noise = generator.normal(0, 0.05, whole.shape)
    return np.asarray(np.clip(whole + noise, 0, 1) * 255, np.uint8)


def make_batch(built, key, images):
    return batches.make(
        key, images, degradation=built.degradation, augment=built.augment
    )


def start(config):
    built = recipe.build(config)
    begin = jax.jit(lambda key: steps.initial_state(built, key, config["crop"]))
    return begin(jax.random.key(config["seed"])), steps.train_steps(built)


def run(config, count, *, mesh=None, seed=0):
    """Losses of `count` steps one by one, and the last state."""
    state, step = start(config)
    step = jax.jit(step)
    if mesh is not None:
        state = sharding.replicate(state, mesh)
    losses = []
    for number in range(count):
        batch = images(config, seed=seed + number)
        batch = batch if mesh is None else sharding.put(batch, mesh, axis=1)
        state, terms = step(state, batch)
        losses.append({name: float(value[0]) for name, value in terms.items()})
    return losses, state


def close(a, b, tolerance):
    return jax.tree.all(
        jax.tree.map(lambda x, y: np.allclose(x, y, rtol=0, atol=tolerance), a, b)
    )


def numbers(state):
    return (state.generator, state.discriminator, state.ema)


@pytest.mark.parametrize(
    ("generator_steps", "discriminator_steps", "expected"),
    [
        pytest.param(1, 1, (10, 10), marks=pytest.mark.slow),
        (3, 1, (10, 3)),
        pytest.param(1, 5, (2, 10), marks=pytest.mark.slow),
    ],
)
def test_players_move_as_often_as_the_ratio_says(
    tiny, generator_steps, discriminator_steps, expected
):
    config = tiny(
        steps=10,
        adversarial__generator_steps=generator_steps,
        adversarial__discriminator_steps=discriminator_steps,
    )
    losses, state = run(config, 10)
    assert (int(state.generator.updates), int(state.discriminator.updates)) == expected
    rested = [np.isnan(terms["discriminator/loss"]) for terms in losses]
    assert rested.count(False) == expected[1]
    assert recipe.updates(config) == expected


@pytest.mark.slow
def test_a_resting_generator_keeps_its_parameters_and_average(tiny):
    config = tiny(adversarial__discriminator_steps=5)
    before, step = start(config)
    after, _ = jax.jit(step)(before, images(config))
    assert close(before.generator.params, after.generator.params, 0)
    assert close(before.ema, after.ema, 0)
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()),
        before.discriminator.params,
        after.discriminator.params,
    )
    assert any(jax.tree.leaves(moved))


@pytest.mark.slow
def test_one_two_and_four_devices_give_the_same_losses_over_twenty_steps(tiny):
    config = tiny(steps=20)
    devices = jax.devices()
    assert len(devices) >= 4
    runs = [
        run(config, 20, mesh=sharding.mesh(devices[:count]))[0] for count in (1, 2, 4)
    ]
    for other in runs[1:]:
        for one, many in zip(runs[0], other, strict=True):
            for name in ("generator/loss", "discriminator/loss"):
                assert many[name] == pytest.approx(one[name], abs=1e-5)


def test_every_number_of_devices_makes_the_same_batch_to_the_bit(tiny):
    config = tiny()
    built = recipe.build(config)
    batch = images(config)[0]
    make = jax.jit(lambda images: make_batch(built, jax.random.key(3), images))
    whole = jax.device_get(make(batch)["degraded"])
    for count in (2, 4):
        mesh = sharding.mesh(jax.devices()[:count])
        cut = make(sharding.put(batch, mesh))["degraded"]
        np.testing.assert_array_equal(whole, jax.device_get(cut))


@pytest.mark.slow
def test_several_steps_in_one_call_equal_the_same_steps_one_by_one(tiny):
    config = tiny(steps_per_call=1)
    state, step = start(config)
    together = np.concatenate([images(config, seed=seed) for seed in range(3)])
    last, terms = jax.jit(step)(state, together)
    losses, one_by_one = run(config, 3)
    assert int(last.step) == int(one_by_one.step) == 3
    for number, single in enumerate(losses):
        for name, value in single.items():
            assert float(terms[name][number]) == pytest.approx(value, abs=1e-5)


@pytest.mark.slow
def test_accumulating_parts_equals_the_whole_batch(tiny):
    # Without mismatched pairs, whose partners come from the part at hand.
    whole, _ = run(tiny(adversarial__mismatched=0.0), 3)
    parts, _ = run(tiny(adversarial__mismatched=0.0, optimizer__accumulate=2), 3)
    for one, other in zip(whole, parts, strict=True):
        for name in ("loss", "grad_norm"):
            for player in ("generator", "discriminator"):
                term = f"{player}/{name}"
                assert other[term] == pytest.approx(one[term], abs=1e-5), term


def test_accumulation_returns_restored_images_in_their_order(tiny):
    config = tiny(optimizer__accumulate=2)
    built = recipe.build(config)
    state, _ = start(config)

    @jax.jit
    def restore(state, images):
        batch = make_batch(built, jax.random.key(1), images)
        _, restored, _ = steps.generator_step(built, state, batch)
        return batch["degraded"], restored

    # A new network is the identity.
    degraded, restored = restore(state, images(config)[0])
    np.testing.assert_allclose(restored, degraded, atol=1e-6)


def test_a_non_finite_update_is_skipped_and_counted_for_its_player_alone(tiny):
    config = tiny()
    begun, step = start(config)
    step = jax.jit(step)
    for player in ("generator", "discriminator"):
        broken = getattr(begun, player)
        poisoned = jax.tree.map(lambda x: np.full_like(x, np.nan), broken.params)
        # The poison lies in the optimiser's input only: parameters of one layer.
        state = begun.replace(**{player: broken.replace(params=poisoned)})
        after, terms = step(state, images(config))
        moved = getattr(after, player)
        assert int(moved.updates) == 0
        assert int(moved.skipped) == 1
        assert float(terms[f"{player}/skipped"][0]) == 1
        assert close(broken.optimizer, moved.optimizer, 0)
        if player == "generator":
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.ema))
    # A good update ends the count.
    skipped = begun.generator.replace(skipped=np.int32(4))
    after, _ = step(begun.replace(generator=skipped), images(config))
    assert int(after.generator.skipped) == 0


@pytest.mark.slow
def test_bfloat16_keeps_parameters_and_losses_in_float32(tiny):
    losses, state = run(tiny(precision="bfloat16"), 2)
    kinds = {leaf.dtype for leaf in jax.tree.leaves(state.generator.params)}
    assert kinds == {jnp.dtype("float32")}
    exact, _ = run(tiny(), 2)
    assert losses[0]["generator/loss"] == pytest.approx(
        exact[0]["generator/loss"], rel=2e-2
    )


def test_training_lowers_the_loss_and_gains_over_the_input(tiny):
    config = tiny(steps=60, optimizer__generator__warmup=5, generator__width=16)
    losses, _ = run(config, 60, seed=7)
    first = np.mean([terms["generator/loss"] for terms in losses[:5]])
    last = np.mean([terms["generator/loss"] for terms in losses[-5:]])
    assert last < 0.8 * first
    assert losses[-1]["train/psnr_gain"] > 0.5


@pytest.mark.slow
def test_the_average_follows_the_generator_slowly(tiny):
    before, step = start(tiny(ema=0.9))
    after, _ = jax.jit(step)(before, images(tiny()))
    expected = jax.tree.map(
        lambda old, new: 0.9 * old + 0.1 * new,
        before.ema["params"],
        after.generator.params,
    )
    assert close(expected, after.ema["params"], 1e-7)


@pytest.mark.slow
def test_batch_statistics_move_in_the_discriminators_own_step_only(tiny):
    config = tiny(discriminator__norm="batch", adversarial__generator_steps=2)
    before, step = start(config)
    step = jax.jit(step)
    rested, _ = step(before, images(config))
    assert close(before.discriminator.stats, rested.discriminator.stats, 0)
    moved, _ = step(rested, images(config))
    assert not close(before.discriminator.stats, moved.discriminator.stats, 1e-9)


@pytest.mark.slow
def test_a_relativistic_mode_trains_with_r1_in_parts_and_by_turns(tiny):
    config = tiny(
        adversarial__mode="relativistic_vanilla",
        adversarial__penalty="r1",
        adversarial__generator_steps=2,
        discriminator__spectral_norm=True,
        optimizer__accumulate=2,
    )
    losses, state = run(config, 2)
    assert (int(state.generator.updates), int(state.discriminator.updates)) == (2, 1)
    assert np.isnan(losses[0]["discriminator/penalty"])
    assert losses[1]["discriminator/penalty"] > 0
    assert np.isfinite([terms["generator/loss"] for terms in losses]).all()
    assert np.isfinite(losses[1]["discriminator/loss"])


@pytest.fixture
def weighted(tiny, monkeypatch):
    """A tiny recipe whose degradation adds 0.25 at 1 of 4 columns, which weigh 6."""

    def damage(key, image, *, rate, radius, order):
        mask = jax.random.permutation(key, jnp.arange(image.shape[1])) % 4 == 0
        mask = jnp.broadcast_to(mask[:, None], (*image.shape[:2], 1))
        mask = mask.astype(jnp.float32)
        return image + 0.25 * mask, mask

    home = naming.module("degradations", "pixel_shuffle")
    monkeypatch.setattr(home, "damage", damage, raising=False)

    def make(**changes):
        config = tiny(**changes)
        config["degradation"]["weight"] = {"damaged": 6.0, "intact": 1.0}
        config["objective"] = {"restored": {"l1": 1.0, "ms_ssim_luma": 0.5}}
        config["adversarial"] = None
        return config

    return make


@pytest.mark.slow
def test_damaged_pixels_weigh_in_training_what_the_recipe_says(weighted):
    config = weighted()
    shown = jnp.asarray(images(config)[0])
    batch = make_batch(recipe.build(config), jax.random.key(3), shown)
    off = (batch["degraded"] != batch["target"]).any(-1, keepdims=True)
    np.testing.assert_array_equal(batch["weight"], jnp.where(off, 6, 1))
    losses, _ = run(config, 1)
    # A new network is the identity: a quarter of the columns are off by 0.25.
    expected = 0.25 * 6 / (6 + 3)
    assert losses[0]["generator/restored/l1"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_weights_are_cut_into_parts_with_their_images(weighted):
    whole, _ = run(weighted(), 2)
    parts, _ = run(weighted(optimizer__accumulate=2), 2)
    for one, other in zip(whole, parts, strict=True):
        for name in ("loss", "grad_norm", "restored/l1", "restored/ms_ssim_luma"):
            term = f"generator/{name}"
            assert other[term] == pytest.approx(one[term], abs=1e-5), term


@pytest.mark.slow
def test_without_weights_the_batch_has_none(tiny):
    config = tiny()
    shown = jnp.asarray(images(config)[0])
    batch = make_batch(recipe.build(config), jax.random.key(3), shown)
    assert set(batch) == {"target", "degraded", "key"}


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        pytest.param("holes", 4, marks=pytest.mark.slow),
        pytest.param("scratches", 3, marks=pytest.mark.slow),
    ],
)
def test_a_run_with_weighted_damage_and_an_adversary_trains(tiny, name, channels):
    config = tiny(steps=2, optimizer__generator__warmup=0)
    config["degradation"] = {"name": name, "weight": {"damaged": 6.0, "intact": 1.0}}
    config["objective"] = {"restored": {"l1": 1.0}}  # the quickest to compile
    built = recipe.build(config)
    make = lambda shown: make_batch(built, jax.random.key(0), shown)
    batch = jax.eval_shape(make, images(config)[0])
    assert batch["degraded"].shape == (4, 32, 32, channels)
    assert batch["weight"].shape == (4, 32, 32, 1)
    losses, state = run(config, 2)
    assert (int(state.generator.updates), int(state.discriminator.updates)) == (2, 2)
    assert np.isfinite([list(terms.values()) for terms in losses]).all()
    # A new network is the identity on the colours, whatever stands beside them.
    assert losses[0]["train/psnr_gain"] == 0
    assert losses[1]["train/psnr_gain"] != 0


@pytest.mark.slow
def test_rows_and_a_penalty_that_look_at_holes_see_them_in_every_part(tiny):
    table = {
        "l1": {"weight": 1.0, "where": "damaged"},
        "mse": {"weight": 1.0, "where": "intact"},
    }

    def first_terms(**changes):
        config = tiny(adversarial__penalty="gradient_damaged", **changes)
        config["degradation"] = {"name": "holes", "fill": 0.0}
        config["objective"] = {"restored": table}
        config["adversarial"] |= {"mode": "wgan", "mismatched": 0.0, "identity": 0.0}
        losses, state = run(config, 1)
        assert int(state.generator.updates) == int(state.discriminator.updates) == 1
        return losses[0]

    whole, parts = first_terms(), first_terms(optimizer__accumulate=2)
    # A new network is the identity on the colours: only the hole is wrong.
    assert whole["generator/restored/l1"] > 0.2
    assert whole["generator/restored/mse"] < 1e-9
    for name in ("generator/restored/l1", "generator/loss", "discriminator/penalty"):
        # Either part draws places between real and restored of its own.
        close = 0.05 if name.endswith("penalty") else 1e-4
        assert parts[name] == pytest.approx(whole[name], rel=close), name


@pytest.fixture
def enlarging(tiny, monkeypatch):
    """A recipe for x4 super-resolution; the networks that there are do not enlarge."""

    class Generator(fcn.Generator):
        scale = 4

        def __call__(self, degraded, *, train):
            side = 4 * degraded.shape[1]
            return super().__call__(resize.resize(degraded, side, side), train=train)

    monkeypatch.setattr(fcn, "Generator", Generator)

    def make(**changes):
        unpaired = {"adversarial__mismatched": 0.0, "adversarial__identity": 0.0}
        config = tiny(discriminator__conditional=False, **unpaired, **changes)
        config["degradation"] = {"name": "downsample", "scale": 4}
        return config

    return make


@pytest.mark.slow
def test_an_input_of_another_size_has_no_gain_and_trains(enlarging):
    losses, state = run(enlarging(), 1)
    assert int(state.generator.updates) == 1
    assert losses[0]["train/psnr"] > 20
    assert "train/psnr_gain" not in losses[0]


@pytest.fixture
def dropping(tiny):
    """A recipe of the U-Net of pix2pix, whose dropout acts at 64 px with 6 levels."""

    def make(**changes):
        config = tiny(crop=64, batch_size=2, **changes)
        config["adversarial"] = None
        config["generator"] = {
            "name": "pix2pix_unet",
            "filters": 2,
            "downs": 6,
            "norm": "instance",
        }
        return config

    return make


@pytest.mark.slow
def test_dropout_is_drawn_anew_from_the_key_of_each_batch(dropping):
    config = dropping()
    built = recipe.build(config)
    state, _ = start(config)
    shown = jnp.asarray(images(config)[0])
    batch = make_batch(built, jax.random.key(3), shown)
    restore = jax.jit(lambda batch: steps.generator_step(built, state, batch)[1])
    first = restore(batch)
    np.testing.assert_array_equal(restore(batch), first)
    assert (restore({**batch, "key": jax.random.key(4)}) != first).any()


@pytest.mark.slow
def test_a_run_with_dropout_goes_on_as_if_it_had_not_stopped(dropping):
    config = dropping()
    before, step = start(config)
    step = jax.jit(step)
    between, _ = step(before, images(config, seed=0))
    whole, terms = step(between, images(config, seed=1))
    assert np.isfinite(terms["generator/loss"]).all()
    saved = jax.tree.map(np.asarray, numbers(between)), int(between.step)
    (generator, _, ema), number = saved
    again, step = start(config)
    again = again.replace(
        generator=generator, ema=ema, step=jnp.asarray(number, jnp.int32)
    )
    resumed, _ = jax.jit(step)(again, images(config, seed=1))
    assert close(numbers(resumed), numbers(whole), 0)


@pytest.fixture
def sampling(tiny):
    """A recipe of a small VAE, whose KL term slowly gains weight."""

    def make(**changes):
        config = tiny(optimizer__generator__warmup=0, **changes)
        config["adversarial"] = None
        config["generator"] = {"name": "vae", "filters": 4, "downs": 5, "latent": 3}
        kl = {"weight": 0.1, "warmup": 2}
        config["objective"] = {"restored": {"mse": 1.0}, "latent": {"kl_gaussian": kl}}
        return config

    return make


@pytest.mark.slow
def test_a_vae_trains_on_samples_of_its_posterior(sampling):
    config = sampling()
    built = recipe.build(config)
    state, _ = start(config)
    shown = jnp.asarray(images(config)[0]) / 255
    batch = {"target": shown, "degraded": 1 - shown, "key": jax.random.key(3)}
    step = jax.jit(lambda run, batch: steps.generator_step(built, run, batch))
    moved, first, terms = step(state, batch)
    np.testing.assert_array_equal(step(state, batch)[1], first)
    other_key = {**batch, "key": jax.random.key(4)}
    assert (step(state, other_key)[1] != first).any((1, 2, 3)).all()
    # The weight of the KL term: nothing before the first update, then half of 0.1.
    for run, weight in ((state, 0.0), (moved, 0.05)):
        _, _, terms = step(run, batch)
        named = {n.removeprefix("generator/"): float(v) for n, v in terms.items()}
        assert named["latent/kl_gaussian"] > 0
        total = named["restored/mse"] + weight * named["latent/kl_gaussian"]
        assert named["loss"] == pytest.approx(total, rel=1e-5)
