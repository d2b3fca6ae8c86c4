"""The floors of the house: who may import whom, and through which door.

Each checker is a function of a file's path and source that returns complaints, so that
it is tried below on sources that break the rule.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A file imports only from lower floors, or from its own package.
FLOORS = {
    "contracts": 0,
    "errors": 0,
    "naming": 0,
    "ops": 1,
    "adversarial": 1,
    "sharding": 1,
    "fitting": 1,
    "images": 2,
    "config_files": 2,
    "runs": 2,
    "metrics": 2,
    "models": 2,
    "networks": 2,
    "losses": 3,
    "protocols": 3,
    "degradations": 3,
    "weights": 3,
    "data": 4,
    "perceptual": 4,
    "inference": 4,
    "pairs": 5,
    "evaluation": 6,
    "training": 7,
    "raters": 7,
    "sweeps": 8,
    "comparing": 9,
    "cli": 10,
    "main": 11,
}
CONFIGS = 12  # above everything: nothing imports them but other configs

# Where a third-party library may be imported: a file, or a folder with a slash.
ANYWHERE = ("jaxrestore/", "configs/")
DOORS = {
    "jax": ANYWHERE,
    "jaxtyping": ANYWHERE,
    "numpy": ANYWHERE,
    "flax.linen": ("jaxrestore/models/",),
    "flax.struct": ("jaxrestore/fitting/", "jaxrestore/models/"),
    "optax": (
        "jaxrestore/fitting/",
        "jaxrestore/training/",
        "jaxrestore/adversarial.py",
    ),
    "grain": ("jaxrestore/data/",),
    "orbax": ("jaxrestore/runs/checkpoints.py",),
    "clu": ("jaxrestore/training/logbook.py",),
    "clu.parameter_overview": ("jaxrestore/training/",),
    "tensorboardX": ("jaxrestore/training/logbook.py",),
    "dm_pix": ("jaxrestore/degradations/", "jaxrestore/data/"),
    "PIL": (
        "jaxrestore/images.py",
        "jaxrestore/data/dead_leaves.py",
    ),
    "safetensors": ("jaxrestore/weights/weight_files.py",),
    "skimage": ("jaxrestore/data/samples.py", "jaxrestore/inference/classical.py"),
    "matplotlib": ("jaxrestore/evaluation/", "jaxrestore/sweeps/"),
    "jinja2": ("jaxrestore/evaluation/",),
    "rich": ("jaxrestore/training/logbook.py", "jaxrestore/cli/"),
    "typer": ("jaxrestore/cli/",),
    "absl": ("jaxrestore/main.py", "jaxrestore/cli/ending.py"),
    "ml_collections": (
        "configs/",
        "jaxrestore/main.py",
        "jaxrestore/config_files.py",
    ),
}

# Lines a file may have before it is split by meaning, times TOLERANCE.
BUDGETS = {
    "main": 110,
    "naming": 60,
    "images": 220,
    "losses": 320,
    "metrics": 290,
    "protocols": 160,
    "adversarial": 200,
    "sharding": 100,
}
BUDGET = 250
TOLERANCE = 1.3

NO_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}


def _imports(source):
    """Yields the dotted name of all that is imported, wherever the statement stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A leading dot stays: relative imports are complained about.
            home = "." * node.level + (node.module or "")
            yield from (f"{home}.{alias.name}" for alias in node.names)


def _package(path):
    """`jaxrestore/models/unet.py` -> models; `jaxrestore/losses.py` -> losses."""
    return Path(path).parts[1].removesuffix(".py")


def _ours(name):
    """`jaxrestore.models.unet` -> models, unet; padded, so that there are two."""
    return [*name.split(".")[1:3], "", ""][:2]


def floor_complaints(path, source):
    """Upward and sideways imports, and files without a floor."""
    complaints = []
    if path.startswith("configs/"):
        here, package = CONFIGS, "configs"
    elif path == "jaxrestore/__init__.py":
        # What it names for type checkers; that it imports nothing has its own test.
        here, package = FLOORS["perceptual"] + 1, ""
    elif _package(path) not in FLOORS:
        return [f"{path}: {_package(path)} has no floor; give it one in {__file__}"]
    else:
        here, package = FLOORS[_package(path)], _package(path)
    for name in _imports(source):
        if name.startswith("."):
            complaints.append(f"{path}: relative import of {name}")
        if name.split(".")[0] == "configs" and package != "configs":
            complaints.append(f"{path}: only configs import configs")
        if name.split(".")[0] != "jaxrestore":
            continue
        there, _ = _ours(name)
        if there == package or there == "__version__":
            continue
        if there not in FLOORS:
            complaints.append(f"{path}: imports {name}, which has no floor")
        elif FLOORS[there] >= here:
            complaints.append(
                f"{path}: floor {here} imports {name} on floor {FLOORS[there]}"
            )
    return complaints


def sibling_complaints(path, source):
    """Degradations know no other degradation, models no other model."""
    allowed = {
        "degradations": {"degradations": set()},
        "models": {"models": {"layers", "torch_layout"}, "ops": None},
    }
    complaints = []
    if not path.startswith("jaxrestore/") or _package(path) not in allowed:
        return complaints
    package = _package(path)
    for name in _imports(source):
        if name.split(".")[0] != "jaxrestore":
            continue
        there, what = _ours(name)
        if package == "models" and there not in allowed["models"]:
            complaints.append(
                f"{path}: a model imports only layers and ops, not {name}"
            )
        siblings = allowed[package].get(there)
        if siblings is not None and what not in siblings:
            complaints.append(f"{path}: imports its sibling {name}")
    return complaints


def door_complaints(path, source):
    """Third-party libraries outside their door, or without one."""
    complaints = []
    for name in _imports(source):
        first = name.split(".")[0]
        if first in {"", "jaxrestore", "configs"} | sys.stdlib_module_names:
            continue
        # The longest known name decides: clu.parameter_overview before clu.
        parts = name.split(".")
        prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        door = next((prefix for prefix in prefixes if prefix in DOORS), None)
        if door is None:
            complaints.append(f"{path}: {name} has no door in {__file__}")
        elif not path.startswith(DOORS[door]):
            complaints.append(f"{path}: {name} may come only in by {DOORS[door]}")
    return complaints


def name_complaints(path, source):
    """Names that say nothing."""
    del source
    parts = {part.removesuffix(".py") for part in Path(path).parts}
    return [f"{path}: {name} says nothing" for name in sorted(parts & NO_NAMES)]


def import_time_complaints(path, source):
    """Devices, files and threads that are touched when a module is imported."""
    return [
        f"{path}:{call.lineno}: {ast.unparse(call)} runs at import"
        for call in _module_level_calls(ast.parse(source))
        if _touches_the_world(ast.unparse(call.func))
    ]


def _module_level_calls(node):
    """Yields calls that importing runs: not functions' bodies, but their defaults."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        outside = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        outside += getattr(node, "decorator_list", [])
    elif isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__"):
        outside = node.orelse
    else:
        outside = ast.iter_child_nodes(node)
    if isinstance(node, ast.Call):
        yield node
    for child in outside:
        yield from _module_level_calls(child)


def _touches_the_world(function):
    last = function.split(".")[-1]
    of_jax = {"devices", "local_devices", "device_count", "local_device_count"}
    of_jax |= {"device_put", "process_index", "process_count", "default_backend"}
    makes_arrays = function.startswith(("jnp.", "jax.numpy.", "jax.random."))
    return (
        (function.startswith("jax.") and last in of_jax)
        or makes_arrays
        or function in ("open", "io.open")
        or last in ("start", "mkdir", "read_text", "read_bytes")
    )


def size_complaints(path, source):
    """Files too long to be read in one go."""
    home = Path(path)
    budget = BUDGETS.get(home.stem, BUDGET) if len(home.parts) == 2 else BUDGET
    lines = source.count("\n")
    if lines <= TOLERANCE * budget:
        return []
    return [f"{path}: {lines} lines, {TOLERANCE} x {budget} allowed; split by meaning"]


CHECKERS = [
    floor_complaints,
    sibling_complaints,
    door_complaints,
    name_complaints,
    import_time_complaints,
    size_complaints,
]


def _files():
    for folder in ("jaxrestore", "configs"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), file.read_text()


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_house_keeps_the_rule(checker):
    files = list(_files())
    assert {"jaxrestore/losses.py", "configs/gan_full.py"} <= {
        path for path, _ in files
    }
    complaints = [line for path, source in files for line in checker(path, source)]
    assert not complaints, "\n".join(complaints)


def _reachable(start):
    """The packages that those of `start` import, and what these import in turn."""
    known = {}
    for path, source in _files():
        if path.startswith("jaxrestore/") and path != "jaxrestore/__init__.py":
            ours = (n for n in _imports(source) if n.split(".")[0] == "jaxrestore")
            known.setdefault(_package(path), set()).update(_ours(n)[0] for n in ours)
    found, waiting = set(), [start]
    while waiting:
        for package in known.get(waiting.pop(), set()) - found:
            found.add(package)
            waiting.append(package)
    return found


SERVING = [p for p in ("inference", "web") if (ROOT / "jaxrestore" / p).exists()]


@pytest.mark.parametrize("package", SERVING)
def test_restoring_needs_neither_training_nor_data(package):
    reachable = _reachable(package)
    assert not reachable & {"training", "data"}
    # The walk sees something, directly and by way of another module.
    assert package != "inference" or {"networks", "ops"} <= reachable


def test_training_reaches_data_so_that_the_walk_would_notice():
    assert "data" in _reachable("training")


BROKEN = [
    (floor_complaints, "losses.py", "from jaxrestore.training import loop"),
    (floor_complaints, "losses.py", "def f():\n    import jaxrestore.training.loop"),
    (floor_complaints, "losses.py", "from jaxrestore import metrics, perceptual"),
    (floor_complaints, "ops/color.py", "from jaxrestore import images"),
    (
        floor_complaints,
        "data/sources.py",
        "from jaxrestore.evaluation import strips",
    ),
    (floor_complaints, "newcomer.py", "import jax"),
    (floor_complaints, "losses.py", "from jaxrestore import newcomer"),
    (floor_complaints, "losses.py", "from . import metrics"),
    (floor_complaints, "training/loop.py", "from configs import gan_full"),
    (floor_complaints, "cli/app.py", "from jaxrestore import main"),
    (sibling_complaints, "models/unet.py", "from jaxrestore.models import fcn"),
    (
        sibling_complaints,
        "models/unet.py",
        "from jaxrestore.models.fcn import Generator",
    ),
    (sibling_complaints, "models/unet.py", "from jaxrestore import naming"),
    (sibling_complaints, "degradations/a.py", "from jaxrestore.degradations import b"),
    (sibling_complaints, "degradations/batched.py", "import jaxrestore.degradations.b"),
    (door_complaints, "losses.py", "import torch"),
    (door_complaints, "losses.py", "def f():\n    import torch.nn"),
    (door_complaints, "losses.py", "from flax import linen as nn"),
    (door_complaints, "losses.py", "import flax.linen as nn"),
    (door_complaints, "losses.py", "import flax"),
    (door_complaints, "training/loop.py", "import orbax.checkpoint as ocp"),
    (door_complaints, "training/loop.py", "from clu import metric_writers"),
    (door_complaints, "training/loop.py", "from ml_collections import ConfigDict"),
    (door_complaints, "evaluation/report.py", "from PIL import Image"),
    (door_complaints, "metrics.py", "import optax"),
    (name_complaints, "utils.py", ""),
    (name_complaints, "training/helpers.py", ""),
    (name_complaints, "common/files.py", ""),
    (import_time_complaints, "sharding.py", "DEVICES = jax.devices()"),
    (import_time_complaints, "sharding.py", "if True:\n    n = jax.device_count()"),
    (import_time_complaints, "ops/color.py", "WEIGHTS = jnp.array([0.3])"),
    (import_time_complaints, "naming.py", "def f(names=open('x').read()): ..."),
    (import_time_complaints, "naming.py", "TEXT = Path('x').read_text()"),
    (import_time_complaints, "naming.py", "class A:\n    threading.Thread().start()"),
    (size_complaints, "naming.py", "\n" * 79),
    (size_complaints, "training/loop.py", "\n" * 326),
]
KEPT = [
    (floor_complaints, "losses.py", "from jaxrestore import metrics"),
    (floor_complaints, "data/pipeline.py", "from jaxrestore.data import sources"),
    (floor_complaints, "cli/app.py", "from jaxrestore import __version__"),
    (sibling_complaints, "models/unet.py", "from jaxrestore.models import layers"),
    (sibling_complaints, "models/unet.py", "from jaxrestore.ops import patches"),
    (sibling_complaints, "degradations/batched.py", "from jaxrestore import naming"),
    (door_complaints, "models/unet.py", "import flax.linen as nn"),
    (door_complaints, "fitting/state.py", "from flax import struct"),
    (door_complaints, "training/loop.py", "from clu import parameter_overview"),
    (door_complaints, "losses.py", "import functools\nimport jax.numpy as jnp"),
    (import_time_complaints, "sharding.py", "def f():\n    return jax.devices()"),
    (import_time_complaints, "cli/app.py", "if __name__ == '__main__':\n    open('x')"),
    (size_complaints, "naming.py", "\n" * 78),
    (size_complaints, "training/loop.py", "\n" * 325),
]


@pytest.mark.parametrize(("checker", "path", "source"), BROKEN)
def test_a_checker_reports_a_broken_rule(checker, path, source):
    complaints = checker(f"jaxrestore/{path}", source)
    assert len(complaints) == 1 and path in complaints[0]


@pytest.mark.parametrize(("checker", "path", "source"), KEPT)
def test_a_checker_lets_pass_what_keeps_the_rule(checker, path, source):
    assert checker(f"jaxrestore/{path}", source) == []
