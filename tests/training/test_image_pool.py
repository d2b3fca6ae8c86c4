import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.training import image_pool


def numbered(first, count):
    """Images that all hold their number, made of inputs that hold it negated."""
    image = jnp.arange(first, first + count, dtype=jnp.float32)[:, None, None, None]
    image = jnp.broadcast_to(image, (count, 2, 2, 3))
    return {"restored": image, "degraded": -image}


def start(count):
    one = jnp.zeros((1, 2, 2, 3))
    return image_pool.empty(count, restored=one, degraded=one)


def shown_numbers(pool, batches, size, seed=0):
    """The number of each image shown, batch after batch, and the pool at the end."""
    exchange = jax.jit(image_pool.exchange)
    numbers = []
    for step in range(batches):
        fresh = numbered(step * size + 1, size)
        key = jax.random.fold_in(jax.random.key(seed), step)
        pool, shown = exchange(key, pool, fresh)
        np.testing.assert_array_equal(shown["restored"], -shown["degraded"])
        numbers += list(np.asarray(shown["restored"][:, 0, 0, 0]).astype(int))
    return numbers, pool


def test_while_there_is_room_a_pair_is_stored_and_shown():
    numbers, pool = shown_numbers(start(6), batches=2, size=2)
    assert numbers == [1, 2, 3, 4] and int(pool["held"]) == 4
    np.testing.assert_array_equal(pool["restored"][:, 0, 0, 0], [1, 2, 3, 4, 0, 0])


def test_a_batch_may_fill_the_pool_half_way_and_go_on():
    numbers, pool = shown_numbers(start(3), batches=1, size=8)
    assert numbers[:3] == [1, 2, 3] and int(pool["held"]) == 3
    held = set(np.asarray(pool["restored"][:, 0, 0, 0]).astype(int))
    # Nothing is lost and nothing doubled: each number is shown or still held, and those
    # shown while there was room are held too until they are exchanged.
    assert sorted([*numbers[3:], *held]) == sorted(range(1, 9))


def test_once_full_half_of_the_pairs_are_exchanged_uniformly():
    count, batches, size = 50, 500, 8
    numbers, pool = shown_numbers(start(count), batches, size)
    rest = np.array(numbers[count:])
    fresh = np.arange(count + 1, batches * size + 1)
    exchanged = rest != fresh
    # Bernoulli of one half: 3950 draws have a standard deviation of 0.8 %.
    assert abs(exchanged.mean() - 0.5) < 0.032
    assert (rest[exchanged] < fresh[exchanged]).all()
    # A stored pair waits for a geometric number of exchanges, of mean `count`, and so
    # for twice as many pairs. The mean of 1950 such waits has a deviation of 2.3 %; the
    # last ones are cut short, which lowers it by count / batches / size, twice.
    waits = (fresh - rest)[exchanged]
    assert abs(waits.mean() / (2 * count) - 1) < 0.12
    assert int(pool["held"]) == count


def test_the_exchange_follows_the_key_alone():
    first = shown_numbers(start(4), 10, 2, seed=3)[0]
    assert first == shown_numbers(start(4), 10, 2, seed=3)[0]
    assert first != shown_numbers(start(4), 10, 2, seed=4)[0]
