import jax
import numpy as np

from jaxrestore import sharding


def test_a_batch_is_cut_along_its_rows_and_a_state_is_whole_everywhere():
    mesh = sharding.mesh(jax.devices()[:4])
    batch = np.arange(2 * 8 * 3).reshape(2, 8, 3)
    placed = sharding.put(batch, mesh, axis=1)
    np.testing.assert_array_equal(placed, batch)
    assert {shard.data.shape for shard in placed.addressable_shards} == {(2, 2, 3)}
    whole = sharding.replicate({"w": batch}, mesh)["w"]
    assert {shard.data.shape for shard in whole.addressable_shards} == {batch.shape}


def test_as_many_devices_are_taken_as_share_a_batch_equally():
    devices = [*range(8)]
    taken = {rows: len(sharding.dividing(devices, rows)) for rows in (1, 6, 7, 16, 20)}
    assert taken == {1: 1, 6: 6, 7: 7, 16: 8, 20: 5}
    assert sharding.dividing(devices, 6) == [0, 1, 2, 3, 4, 5]
    mesh = sharding.mesh(jax.devices()[:3])
    assert [sharding.up_to_devices(rows, mesh) for rows in (1, 3, 4)] == [3, 3, 6]


def test_gathers_with_computed_indices_work_on_the_mesh():
    # What explicit sharding, the default of jax.make_mesh, refuses.
    mesh = sharding.mesh(jax.devices()[:2])
    batch = sharding.put(np.arange(8.0).reshape(4, 2), mesh)
    turned = jax.jit(lambda rows, index: rows[index])(batch, np.array([3, 0]))
    np.testing.assert_array_equal(turned, [[6.0, 7.0], [0.0, 1.0]])
