"""Four virtual CPU devices, and a recipe small enough to run in a test."""

import os
import tempfile

import jax
import pytest

# Before anything asks for a device. Processes that tests start inherit neither this
# nor a terminal.
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 4)
# Many tests compile the same tiny programs; later ones find them here.
_CACHE = tempfile.TemporaryDirectory(prefix="jaxrestore-tests-")
jax.config.update("jax_compilation_cache_dir", _CACHE.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["COLUMNS"] = "200"

TINY = {
    "steps": 6,
    "batch_size": 4,
    "crop": 32,
    "generator.width": 8,
    "generator.blocks": 1,
    "discriminator.filters": 4,
    "discriminator.stages": 1,
    "data.leaves_bank": 2,
    "data.leaves_side": 40,
    "data.evaluation_crop": 32,
    "evaluation.every": 3,
    "log_every": 2,
    "checkpoint_every": 3,
}


@pytest.fixture
def tiny():
    """`tiny(key=value, …)`: the main recipe, cut to 32 px and a few steps."""
    from configs import gan_full

    def make(argument="demo", **changes):
        config = gan_full.get_config(argument)
        changes = {name.replace("__", "."): value for name, value in changes.items()}
        config.update_from_flattened_dict({**TINY, **changes})
        return config.to_dict()

    return make


@pytest.fixture
def tiny_overrides():
    """The same, as arguments of `python -m jaxrestore.main`."""
    return [f"--config.{name}={value}" for name, value in TINY.items()]
