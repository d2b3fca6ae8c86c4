"""One mesh axis, `data`: networks are replicated, batches are cut along their rows."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Returns the mesh over `devices`, by default all devices of all processes.

    The axis type is given because `jax.make_mesh` defaults to explicit sharding, under
    which gathers with computed indices, and so the pixel shuffle, are refused.
    """
    devices = jax.devices() if devices is None else list(devices)
    return jax.make_mesh(
        (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
    )


def dividing(devices: Sequence[Any], rows: int) -> list[Any]:
    """Returns as many of `devices` as share so many rows equally, the first ones."""
    counts = range(1, len(devices) + 1)
    return [*devices][: max(count for count in counts if rows % count == 0)]


def up_to_devices(rows: int, mesh: Mesh) -> int:
    """Returns the least number of rows, `rows` or more, that all devices share."""
    return -(-rows // mesh.size) * mesh.size


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a value that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def by_row(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Returns the sharding of a batch whose images lie along `axis`."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Returns `tree` with every leaf on every device."""
    return jax.device_put(tree, replicated(mesh))


def put(batch: np.ndarray, mesh: Mesh, axis: int = 0) -> jax.Array:
    """Returns the global array of which `batch` holds this process's rows on `axis`."""
    return jax.make_array_from_process_local_data(by_row(mesh, axis), batch)
