"""Four virtual CPU devices, and a recipe small enough to run in a test."""

import gc
import os
import signal
import tempfile
from importlib.metadata import version

# The tests compile far more than they compute: LLVM's optimisation is left out, which
# halves their time, and programs are shared between tests, workers and the processes
# that tests start. `XLA_FLAGS= pytest` tests the code as it is compiled outside.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_parallel_codegen_split_count=1"
    # Another third; later compilers do not know this flag and would stop at it.
    + " --xla_cpu_use_fusion_emitters=false"
    * version("jaxlib").startswith("0.10."),
)
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _CACHE = tempfile.TemporaryDirectory(prefix="jaxrestore-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _CACHE.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["COLUMNS"] = "200"
# Whoever starts the tests in the background has interrupts ignored, by children too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import jax
import pytest

# Before anything asks for a device; processes that tests start have one.
jax.config.update("jax_num_cpu_devices", 4)

LONGEST = ("test_steps.py", "test_loop.py", "test_losses.py", "test_main.py")
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


def pytest_collection_modifyitems(items):
    """The longest files first: two workers then end together."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True, scope="module")
def _what_stays_is_not_searched():
    """What earlier files left, modules and programs, is searched for garbage once."""
    gc.collect()
    gc.freeze()


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
