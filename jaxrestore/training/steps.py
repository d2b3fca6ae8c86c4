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

from jaxrestore import adversarial, networks, perceptual
from jaxrestore.degradations import batched
from jaxrestore.fitting import optimizers, state, update
from jaxrestore.training import batches, image_pool, objective, pairs

Terms = dict[str, Float[Array, ""]]
# Folded into a batch's key for the generator's dropout: far from the small numbers that
# are folded in for the parts of a batch, and from those that a split stands for.
_DROPOUT = 2**31 - 1
_POOL = _DROPOUT - 1  # and for the exchange with the pool of images
_POSTERIOR = _DROPOUT - 2  # and for the sample of a generator that draws one

TrainStep = Callable[
    [state.TrainState, UInt8[Array, "k b h w c"]], tuple[state.TrainState, Any]
]


class Recipe(NamedTuple):
    """What stays fixed about a run.

    `gan` is the config's `adversarial`, `perception` its `perceptual`, either may be
    None; with the latter comes the network that it compares by, `features`.

    Without a `degradation` the data are pairs, which bring their degraded images.
    """

    generator: update.Player
    discriminator: update.Player | None
    objective: Mapping[str, Mapping[str, Any]]
    gan: Mapping[str, Any] | None
    degradation: Mapping[str, Any] | None
    augment: str
    ema: float
    accumulate: int
    perception: Mapping[str, Any] | None = None
    features: perceptual.Features | None = None


def initial_state(recipe: Recipe, key: PRNGKeyArray, crop: int) -> state.TrainState:
    """Returns the state before the first step of a run on crops of side `crop`."""
    root, generator_key, discriminator_key, degrade_key = jax.random.split(key, 4)
    channels = networks.channels(recipe.generator.model)
    target = jnp.zeros((1, crop, crop, channels))
    degraded = target
    if recipe.degradation is not None:
        keys = batched.image_keys(degrade_key, 1)
        degraded = batched.degrade(keys, target, recipe=recipe.degradation)

    def start(player, key, *inputs):
        variables = player.model.init(key, *inputs, train=False)
        return state.network(variables, player.optimizer)

    generator = start(recipe.generator, generator_key, degraded)
    discriminator = pool = None
    if recipe.discriminator is not None:
        discriminator = start(recipe.discriminator, discriminator_key, target, degraded)
    if recipe.gan is not None and recipe.gan["pool"]:
        pool = image_pool.empty(recipe.gan["pool"], restored=target, degraded=degraded)
    waits = any(p and p.waits for p in (recipe.generator, recipe.discriminator))
    # A copy, since a buffer that two leaves share cannot be donated.
    ema = jax.tree.map(jnp.copy, state.variables(generator))
    return state.TrainState(
        step=jnp.zeros((), jnp.int32),
        key=root,
        generator=generator,
        discriminator=discriminator,
        ema=ema,
        pool=pool,
        plateau=optimizers.plateau() if waits else None,
    )


def train_steps(recipe: Recipe) -> TrainStep:
    """Returns `(state, images[k, b, h, w, c]) -> (state, terms)`: k steps in one call.

    Each of the `terms` is float32 [k]; a player that rested in a step has NaN there.
    """
    step = train_step(recipe)
    return lambda state, images: repeated(step, state, images)


def repeated(
    step: Callable[..., Any], state: Any, images: UInt8[Array, "k b h w c"]
) -> tuple[Any, Any]:
    """Returns the state after `step` on each batch in turn, and all terms stacked."""
    if len(images) > 1:
        return jax.lax.scan(step, state, images)
    state, terms = step(state, images[0])
    return state, jax.tree.map(lambda term: term[None], terms)


def train_step(recipe: Recipe) -> Callable[..., tuple[state.TrainState, Terms]]:
    """Returns the step on one uint8 batch [b, h, w, c]; see `batches.make`."""
    advance = batch_step(recipe)

    def step(run, images):
        return advance(run, batch_of(recipe, run, images))

    return step


def batch_of(
    recipe: Recipe, run: state.TrainState, images: UInt8[Array, "b h w c"]
) -> dict[str, Array]:
    """Returns the batch that a run makes of these images in the step it is at."""
    return batches.make(
        jax.random.fold_in(run.key, run.step),
        images,
        degradation=recipe.degradation,
        augment=recipe.augment,
    )


def batch_step(recipe: Recipe) -> Callable[..., tuple[state.TrainState, Terms]]:
    """Returns the step `(state, batch) -> (state, terms)` on a batch that is made."""
    every_generator, every_discriminator = cycle(recipe.gan)

    def step(run, batch):
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
        terms |= batches.psnr_terms(batch, restored)
        return run.replace(step=run.step + 1), terms

    return step


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
            recipe.objective,
            outputs,
            batch["target"],
            batch.get("weight"),
            damage=batch.get("damage"),
            updates=run.generator.updates,
        )
        if recipe.perception is not None:
            value = _perceptual_value(recipe, batch, outputs["restored"])
            total = total + recipe.perception["weight"] * value
            terms["perceptual"] = value
        if recipe.gan is not None:
            value = _adversarial_value(recipe, run, batch, outputs["restored"])
            total = total + recipe.gan["weight"] * value
            terms["adversarial"] = value
        terms["loss"] = total
        return total, (stats, outputs["restored"], terms)

    player, restored, terms = update.update(
        recipe.generator,
        run.generator,
        loss,
        batch,
        parts=recipe.accumulate,
        slowed=_slowed(recipe.generator, run),
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

    What it is shown: see `pairs.discriminator_loss`. With a pool, the restored images
    are exchanged for earlier ones first.
    """

    gan, player, network = recipe.gan, recipe.discriminator, run.discriminator
    assert gan is not None and player is not None and network is not None

    def loss(params, stats, batch):
        def judge(image, condition, stats):
            variables = {"params": params, **stats}
            return _judge(recipe, variables, image, condition)

        total, stats, terms = pairs.discriminator_loss(gan, judge, batch, stats)
        return total, (stats, jnp.zeros(()), terms)

    batch = dict(batch, restored=jax.lax.stop_gradient(restored))
    if run.pool is not None:
        fresh = {name: batch[name] for name in ("restored", "degraded")}
        key = jax.random.fold_in(batch["key"], _POOL)
        pool, shown = image_pool.exchange(key, run.pool, fresh)
        run = run.replace(pool=pool)
        batch |= {f"shown_{name}": image for name, image in shown.items()}
    moved, _, terms = update.update(
        player,
        network,
        loss,
        batch,
        parts=recipe.accumulate,
        slowed=_slowed(player, run),
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
        rngs={
            "dropout": jax.random.fold_in(batch["key"], _DROPOUT),
            "posterior": jax.random.fold_in(batch["key"], _POSTERIOR),
        },
    )
    outputs = {"restored": restored, **aux}
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), outputs), dict(stats)


def _judge(recipe, variables, image, condition):
    mutable = [name for name in variables if name != "params"]
    logits, stats = recipe.discriminator.model.apply(
        variables, image, condition, train=True, mutable=mutable
    )
    return logits, dict(stats)


def _perceptual_value(recipe, batch, restored):
    options = {name: recipe.perception[name] for name in ("layers", "criterion")}
    measure = perceptual.distance
    return measure(recipe.features, restored, batch["target"], **options).mean()


def _adversarial_value(recipe, run, batch, restored):
    # The discriminator's statistics move in its own step only: dropped here.
    variables = state.variables(run.discriminator)
    fake, _ = _judge(recipe, variables, restored, batch["degraded"])
    real, _ = _judge(recipe, variables, batch["target"], batch["degraded"])
    return adversarial.mode(recipe.gan["mode"]).generator(real, fake).mean()


def _slowed(player, run):
    """The factor of a player's learning rate."""
    return run.plateau.scale if player.waits else 1.0


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
