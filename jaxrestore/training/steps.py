"""The train step: degrade, update the generator, update the discriminator.

Everything happens inside one jitted function of (state, uint8 images). The generator
comes first and the discriminator judges the image made before that update, as in
ESRGAN: one generator pass serves both.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from jaxrestore import adversarial, metrics
from jaxrestore.data import augmentation
from jaxrestore.degradations import batched
from jaxrestore.training import objective, pairs, state, update

Terms = dict[str, Float[Array, ""]]
# Folded into a batch's key for the generator's dropout: far from the small numbers that
# are folded in for the parts of a batch, and from those that a split stands for.
_DROPOUT = 2**31 - 1

TrainStep = Callable[
    [state.TrainState, UInt8[Array, "k b h w c"]], tuple[state.TrainState, Any]
]


class Recipe(NamedTuple):
    """What stays fixed about a run. `gan` is the config's `adversarial`, or None."""

    generator: update.Player
    discriminator: update.Player | None
    objective: Mapping[str, Mapping[str, Any]]
    gan: Mapping[str, Any] | None
    degradation: Mapping[str, Any]
    augment: bool
    ema: float
    accumulate: int


def initial_state(recipe: Recipe, key: PRNGKeyArray, crop: int) -> state.TrainState:
    """Returns the state before the first step of a run on RGB crops of side `crop`."""
    root, generator_key, discriminator_key, degrade_key = jax.random.split(key, 4)
    target = jnp.zeros((1, crop, crop, 3))
    keys = batched.image_keys(degrade_key, 1)
    degraded = batched.degrade(keys, target, recipe=recipe.degradation)

    def start(player, key, *inputs):
        variables = player.model.init(key, *inputs, train=False)
        return state.network(variables, player.optimizer)

    generator = start(recipe.generator, generator_key, degraded)
    discriminator = None
    if recipe.discriminator is not None:
        discriminator = start(recipe.discriminator, discriminator_key, target, degraded)
    # A copy, since a buffer that two leaves share cannot be donated.
    ema = jax.tree.map(jnp.copy, state.variables(generator))
    return state.TrainState(
        jnp.zeros((), jnp.int32), root, generator, discriminator, ema
    )


def train_steps(recipe: Recipe) -> TrainStep:
    """Returns `(state, images[k, b, h, w, c]) -> (state, terms)`: k steps in one call.

    Each of the `terms` is float32 [k]; a player that rested in a step has NaN there.
    """
    step = train_step(recipe)

    def steps(state, images):
        if len(images) > 1:
            return jax.lax.scan(step, state, images)
        state, terms = step(state, images[0])
        return state, jax.tree.map(lambda term: term[None], terms)

    return steps


def train_step(recipe: Recipe) -> Callable[..., tuple[state.TrainState, Terms]]:
    """Returns the step on one uint8 batch [b, h, w, c]."""
    every_generator, every_discriminator = cycle(recipe.gan)

    def step(run, images):
        batch = make_batch(recipe, jax.random.fold_in(run.key, run.step), images)
        run, restored, terms = _sometimes(
            every_generator,
            run,
            lambda run: generator_step(recipe, run, batch),
            lambda run: _restore_only(recipe, run, batch),
        )
        if recipe.discriminator is not None:
            run, more = _sometimes(
                every_discriminator,
                run,
                lambda run: discriminator_step(recipe, run, batch, restored),
                lambda run: (run,),
            )
            terms |= more
        terms |= _psnr_terms(batch, restored)
        return run.replace(step=run.step + 1), terms

    return step


def make_batch(
    recipe: Recipe, key: PRNGKeyArray, images: UInt8[Array, "b h w c"]
) -> dict[str, Array]:
    """Returns the batch of a step: `target`, `degraded` float32 in [0, 1], and `key`.

    A degradation that says which pixels it damages adds `weight` [b, h, w, 1], for the
    losses of pixels. Image i is turned and degraded by keys of its own, whatever
    device holds it.
    """
    turn_key, degrade_key, model_key = jax.random.split(key, 3)
    target = images.astype(jnp.float32) / 255
    if recipe.augment:
        keys = batched.image_keys(turn_key, len(images))
        target = jax.vmap(augmentation.flip_and_turn)(keys, target)
    keys = batched.image_keys(degrade_key, len(images))
    degraded, weight = batched.degrade_with_weight(
        keys, target, recipe=recipe.degradation
    )
    batch = {"target": target, "degraded": degraded, "key": model_key}
    return batch if weight is None else {**batch, "weight": weight}


def generator_step(
    recipe: Recipe, run: state.TrainState, batch: Mapping[str, Array]
) -> tuple[state.TrainState, Float[Array, "b h w c"], Terms]:
    """Returns the state with the generator and its average moved, output and terms.

    The output is the one from before the update. A non-finite loss or gradient leaves
    generator and average untouched and is counted.
    """

    def loss(params, stats, batch):
        variables = {"params": params, **stats}
        outputs, stats = _apply(recipe.generator, variables, batch)
        total, terms = objective.evaluate(
            recipe.objective, outputs, batch["target"], batch.get("weight")
        )
        if recipe.gan is not None:
            value = _adversarial_value(recipe, run, batch, outputs["restored"])
            total = total + recipe.gan["weight"] * value
            terms["adversarial"] = value
        terms["loss"] = total
        return total, (stats, outputs["restored"], terms)

    player, restored, terms = update.update(
        recipe.generator, run.generator, loss, batch, parts=recipe.accumulate
    )
    # A choice between two results: nothing of NaN times 0 may reach the average.
    moved = optax.incremental_update(state.variables(player), run.ema, 1 - recipe.ema)
    ema = jax.tree.map(
        lambda new, old: jnp.where(player.skipped == 0, new, old), moved, run.ema
    )
    terms = {f"generator/{name}": value for name, value in terms.items()}
    return run.replace(generator=player, ema=ema), restored, terms


def discriminator_step(
    recipe: Recipe,
    run: state.TrainState,
    batch: Mapping[str, Array],
    restored: Float[Array, "b h w c"],
) -> tuple[state.TrainState, Terms]:
    """Returns the state with the discriminator moved on `restored`, and its terms.

    What it is shown: see `pairs.discriminator_loss`.
    """

    gan, player, network = recipe.gan, recipe.discriminator, run.discriminator
    assert gan is not None and player is not None and network is not None

    def loss(params, stats, batch):
        def judge(image, stats):
            variables = {"params": params, **stats}
            return _judge(recipe, variables, image, batch["degraded"])

        total, stats, terms = pairs.discriminator_loss(gan, judge, batch, stats)
        return total, (stats, jnp.zeros(()), terms)

    batch = dict(batch, restored=jax.lax.stop_gradient(restored))
    moved, _, terms = update.update(
        player, network, loss, batch, parts=recipe.accumulate
    )
    terms = {f"discriminator/{name}": value for name, value in terms.items()}
    return run.replace(discriminator=moved), terms


def _apply(player, variables, batch):
    """The generator's outputs by name, in float32, and its new statistics."""
    mutable = [name for name in variables if name != "params"]
    (restored, aux), stats = player.model.apply(
        variables,
        batch["degraded"],
        train=True,
        mutable=mutable,
        rngs={"dropout": jax.random.fold_in(batch["key"], _DROPOUT)},
    )
    outputs = {"restored": restored, **aux}
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), outputs), dict(stats)


def _judge(recipe, variables, image, condition):
    mutable = [name for name in variables if name != "params"]
    logits, stats = recipe.discriminator.model.apply(
        variables, image, condition, train=True, mutable=mutable
    )
    return logits, dict(stats)


def _adversarial_value(recipe, run, batch, restored):
    # The discriminator's statistics move in its own step only: dropped here.
    variables = state.variables(run.discriminator)
    fake, _ = _judge(recipe, variables, restored, batch["degraded"])
    real, _ = _judge(recipe, variables, batch["target"], batch["degraded"])
    return adversarial.mode(recipe.gan["mode"]).generator(real, fake).mean()


def cycle(gan: Mapping[str, Any] | None) -> tuple[int, int]:
    """Returns after how many steps (generator, discriminator) move once."""
    if gan is None:
        return 1, 1
    generator, discriminator = gan["generator_steps"], gan["discriminator_steps"]
    return max(1, discriminator // generator), max(1, generator // discriminator)


def _restore_only(recipe, run, batch):
    variables = state.variables(run.generator)
    outputs, _ = _apply(recipe.generator, variables, batch)
    return run, outputs["restored"]


def _psnr_terms(batch, restored):
    target, channels = batch["target"], batch["target"].shape[-1]
    after = metrics.psnr(jnp.clip(restored, 0, 1), target)
    terms = {"train/psnr": after.mean()}
    # Further channels, as the mask of holes, are no colours. An input of another size
    # than its target has no PSNR, and so there is no gain over it.
    degraded = batch["degraded"][..., :channels]
    if degraded.shape == target.shape:
        before = metrics.psnr(jnp.clip(degraded, 0, 1), target)
        terms["train/psnr_gain"] = (after - before).mean()
    return terms


def _sometimes(every, run, act, rest):
    """`act(run)` when `run.step` is the last of `every` steps, else `rest(run)`.

    `act` returns what `rest` does and, last, terms; resting, these are NaN.
    """
    if every == 1:
        return act(run)
    shapes = jax.eval_shape(act, run)[-1]
    nothing = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan), shapes)
    due = run.step % every == every - 1
    return jax.lax.cond(due, act, lambda run: (*rest(run), nothing), run)
