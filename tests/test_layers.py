"""The floors of the house: who may import whom, and through which door.

Each checker is a function of a file's path and source that returns complaints, so that
it is tried below on sources that break the rule.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A file imports only from lower floors, or from its own package.
FLOORS = {
    "contracts": 0,
    "errors": 0,
    "naming": 0,
    "tables": 0,
    "assignments": 1,
    "files": 1,
    "config_keys": 1,
    "programs": 1,
    "image_headers": 0,
    "image_files": 1,
    "ops": 1,
    "adversarial": 1,
    "sharding": 1,
    "fitting": 1,
    "remote": 1,
    "images": 2,
    "folders": 3,
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
    "prior": 4,
    "collection": 5,
    "exporting": 5,
    "pairs": 5,
    "evaluation": 6,
    "training": 7,
    "raters": 7,
    "sweeps": 8,
    "comparing": 9,
    "serving": 9,
    "cli": 10,
    "main": 11,
    "__main__": 11,
}
CONFIGS = 12  # above everything: nothing imports them but other configs

# Where a third-party library may be imported: a file, or a folder with a slash.
DOORS = {
    "jax": ("jaxrestore/",),
    "jaxtyping": ("jaxrestore/",),
    "numpy": ("jaxrestore/",),
    "flax.linen": ("jaxrestore/models/",),
    "flax.struct": ("jaxrestore/fitting/",),
    "optax": ("jaxrestore/fitting/", "jaxrestore/training/"),
    "grain": ("jaxrestore/data/",),
    "orbax": ("jaxrestore/runs/checkpoints.py",),
    "clu": ("jaxrestore/training/logbook.py",),
    "clu.parameter_overview": ("jaxrestore/training/",),
    "tensorboardX": ("jaxrestore/training/logbook.py",),
    "dm_pix": ("jaxrestore/data/",),
    "PIL": (
        "jaxrestore/images.py",
        "jaxrestore/image_headers.py",
        "jaxrestore/image_files/",
        "jaxrestore/data/dead_leaves.py",
        "jaxrestore/data/drawings.py",
        "jaxrestore/inference/kinds.py",
    ),
    "tifffile": ("jaxrestore/image_files/deep.py",),
    "onnx": ("jaxrestore/exporting/onnx_files.py",),
    "safetensors": ("jaxrestore/weights/weight_files.py",),
    "skimage": ("jaxrestore/data/samples.py", "jaxrestore/inference/classical.py"),
    "scipy": (
        "jaxrestore/comparing/significance.py",
        "jaxrestore/inference/crops.py",
        "jaxrestore/ops/hidden_colors.py",
        "jaxrestore/inference/seams.py",
        "jaxrestore/raters/",
    ),
    "httpx": ("jaxrestore/remote/server.py",),
    "matplotlib": (
        "jaxrestore/evaluation/",
        "jaxrestore/serving/records/plots.py",
        "jaxrestore/sweeps/",
    ),
    "sqlalchemy": ("jaxrestore/serving/records/",),
    "alembic": ("jaxrestore/serving/records/",),
    "prometheus_client": ("jaxrestore/serving/metrics.py",),
    "structlog": ("jaxrestore/serving/logs.py",),
    "jinja2": ("jaxrestore/evaluation/", "jaxrestore/serving/pages/"),
    "fastapi": ("jaxrestore/serving/http/", "jaxrestore/serving/pages/"),
    "starlette": ("jaxrestore/serving/http/", "jaxrestore/serving/pages/"),
    "pydantic": ("jaxrestore/serving/http/",),
    "uvicorn": ("jaxrestore/serving/http/",),
    "jsonschema_rs": ("jaxrestore/serving/options.py",),
    "ray": ("jaxrestore/collection/cluster.py",),
    "rich": ("jaxrestore/training/logbook.py",),
    "typer": ("jaxrestore/cli/",),
    "absl": ("jaxrestore/cli/training.py", "jaxrestore/cli/ending.py"),
    "ml_collections": (
        "configs/",
        "jaxrestore/cli/training.py",
        "jaxrestore/config_files.py",
    ),
}

# What two packages import of these packages; None: all of it.
COMPOSED = {"second_order": {"eight_bit", "jpeg", "noise"}}
SIBLINGS = {
    "degradations": {"degradations": set()},
    "models": {"models": {"layers", "torch_layout"}, "ops": None},
}

# Lines a file may have before it is split by meaning, times TOLERANCE.
BUDGETS = {
    "main": 110,
    "config_keys": 300,  # a table, read by the row
    "naming": 70,
    "images": 220,
    "losses": 320,
    "metrics": 290,
    "protocols": 190,
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
        here, package = FLOORS["exporting"] + 1, ""
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
    """Degradations know no other degradation, models no other model.

    But `second_order` is made of others, and says which; `chain` and `batched` run
    those that a config names, by `naming.module`, and the package imports those that
    it is asked for. Finding a file by its name is closed to all others.
    """
    dispatching = {"chain", "batched", "__init__"}
    stem = Path(path).stem
    complaints = []
    if not path.startswith("jaxrestore/") or _package(path) not in SIBLINGS:
        return complaints
    package = _package(path)
    if package == "models" or stem not in dispatching:
        complaints += [
            f"{path}:{node.lineno}: {ast.unparse(node)} finds a file by its name, as "
            f"only {', '.join(sorted(dispatching))} may"
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute | ast.ImportFrom | ast.Import)
            and _finds_files(node)
        ]
    for name in _imports(source):
        if name.split(".")[0] != "jaxrestore":
            continue
        there, what = _ours(name)
        if package == "models" and there not in SIBLINGS["models"]:
            complaints.append(
                f"{path}: a model imports only layers and ops, not {name}"
            )
        siblings = SIBLINGS[package].get(there)
        if package == there == "degradations":
            siblings = COMPOSED.get(stem, set())
        if siblings is not None and what not in siblings:
            complaints.append(f"{path}: imports its sibling {name}")
    return complaints


def _finds_files(node):
    """`naming.module` and `naming.function`, or importlib under whatever name."""
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) in ("naming.module", "naming.function")
    names = [f"{getattr(node, 'module', '')}.{alias.name}" for alias in node.names]
    return any(
        "importlib" in name or name.startswith("jaxrestore.naming.") for name in names
    )


def door_complaints(path, source):
    """Third-party libraries outside their door, or without one."""
    complaints = []
    for name in _imports(source):
        first = name.split(".")[0]
        if first in {"", "jaxrestore", "configs"} | sys.stdlib_module_names:
            continue
        door = _door(name)
        if door is None:
            complaints.append(f"{path}: {name} has no door in {__file__}")
        elif not path.startswith(DOORS[door]):
            complaints.append(f"{path}: {name} may come only in by {DOORS[door]}")
    return complaints


def _door(name):
    """The longest known part of a name decides: clu.parameter_overview before clu."""
    parts = name.split(".")
    prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in DOORS), None)


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


def writing_complaints(path, source):
    """Files that are written in another way than by `jaxrestore.files`."""
    if path == "jaxrestore/files.py":
        return []
    calls = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call))
    return [
        f"{path}:{call.lineno}: {ast.unparse(call)}; write by jaxrestore.files"
        for call in calls
        if _writes(call)
    ]


def _writes(call):
    function = ast.unparse(call.func)
    last = function.split(".")[-1]
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    words = [argument.value for argument in given if isinstance(argument, ast.Constant)]
    opens = last == "open" and any(
        isinstance(word, str) and re.fullmatch("[rwxbt+]*[wx+][rwxbt+]*", word)
        for word in words
    )
    # Path.replace takes one argument; str.replace takes two, and dataclasses' keywords.
    moves = last == "replace" and len(call.args) == 1 and not call.keywords
    known = ("shutil.copy", "shutil.copyfile", "shutil.move", "os.replace", "os.rename")
    if function.startswith("files."):
        return False
    return opens or moves or function in known or last in _WRITERS


_WRITERS = ("write_text", "write_bytes", "rename", "savetxt", "savez", "dump")


def size_complaints(path, source):
    """Files too long to be read in one go."""
    home = Path(path)
    budget = BUDGETS.get(home.stem, BUDGET) if len(home.parts) == 2 else BUDGET
    lines = source.count("\n")
    if lines <= TOLERANCE * budget:
        return []
    return [f"{path}: {lines} lines, {TOLERANCE} x {budget} allowed; split by meaning"]


def flag_complaints(path, source):
    """Options of the command line that a library spells: `cli.ending.flags` does."""
    if not path.startswith("jaxrestore/") or _package(path) in ("cli", "main"):
        return []
    return [
        f"{path}:{node.lineno}: {node.value!r} spells an option; quote the argument"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.search(r"(^|\s)--[a-z]", node.value)
    ]


CHECKERS = [
    floor_complaints,
    sibling_complaints,
    door_complaints,
    name_complaints,
    import_time_complaints,
    writing_complaints,
    size_complaints,
    flag_complaints,
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


def unused_entries(files):
    """Entries of the tables that no file needs: each allows what nobody does."""
    files = dict(files)
    imports = {path: set(_imports(source)) for path, source in files.items()}
    homes = {_package(path) for path in files if path.startswith("jaxrestore/")}
    modules = {_package(path) for path in files if path.count("/") == 1}
    unused = [f"{name} in FLOORS" for name in FLOORS if name not in homes]
    unused += [f"{name} in BUDGETS" for name in BUDGETS if name not in modules]
    for library, places in DOORS.items():
        users = [p for p, names in imports.items() if library in map(_door, names)]
        unused += [
            f"{library} by {place}"
            for place in places
            if not any(path.startswith(place) for path in users)
        ]
    for package, allowed in SIBLINGS.items():
        own = [n for p, n in imports.items() if p.startswith(f"jaxrestore/{package}/")]
        ours = [_ours(name) for names in own for name in names]
        for there, siblings in allowed.items():
            wanted = [[there, what] for what in sorted(siblings or ())]
            unused += [f"{what} in SIBLINGS" for what in wanted if what not in ours]
            if siblings is None and there not in {home for home, _ in ours}:
                unused.append(f"{there} in SIBLINGS")
    return unused


def test_every_entry_of_the_tables_is_in_use():
    assert unused_entries(_files()) == []


@pytest.mark.parametrize(
    ("gone", "entry"),
    [
        ("jaxrestore/protocols.py", ["protocols in FLOORS", "protocols in BUDGETS"]),
        ("jaxrestore/data/dead_leaves.py", ["PIL by jaxrestore/data/dead_leaves.py"]),
        (
            "jaxrestore/models/",
            ["models in FLOORS", "flax.linen by jaxrestore/models/"],
        ),
    ],
)
def test_an_entry_whose_last_user_goes_is_reported(gone, entry):
    left = [(path, text) for path, text in _files() if not path.startswith(gone)]
    assert set(entry) <= set(unused_entries(left))
    siblings = "['models', 'layers'] in SIBLINGS" in unused_entries(left)
    assert siblings == (gone == "jaxrestore/models/")


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


def test_restoring_needs_neither_training_nor_data():
    reachable = _reachable("inference")
    assert not reachable & {"training", "data"}
    # The walk sees something, directly and by way of another module.
    assert {"networks", "ops"} <= reachable


def test_training_reaches_data_so_that_the_walk_would_notice():
    assert "data" in _reachable("training")


BROKEN = [
    (flag_complaints, "weights/cards.py", "raise E('leave --step out')"),
    (flag_complaints, "folders.py", "raise E(f'{place} exists; give --overwrite')"),
    (flag_complaints, "sweeps/grid.py", "raise E('give another --workdir')"),
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
    (
        sibling_complaints,
        "degradations/second_order.py",
        "from jaxrestore.degradations import blur",
    ),
    (
        sibling_complaints,
        "degradations/second_order.py",
        "naming.module('degradations', 'noise').degrade",
    ),
    (sibling_complaints, "degradations/a.py", "find = naming.module"),
    (sibling_complaints, "degradations/a.py", "import importlib"),
    (sibling_complaints, "models/__init__.py", "import importlib"),
    (sibling_complaints, "degradations/a.py", "from importlib import import_module"),
    (sibling_complaints, "degradations/a.py", "from jaxrestore.naming import module"),
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
    (writing_complaints, "losses.py", "path.write_text('x')"),
    (writing_complaints, "losses.py", "Path('x').write_bytes(b'x')"),
    (writing_complaints, "losses.py", "open('a.txt', 'w')"),
    (writing_complaints, "losses.py", "path.open(mode='xb')"),
    (writing_complaints, "losses.py", "partial.replace(path)"),
    (writing_complaints, "losses.py", "os.replace(a, b)"),
    (writing_complaints, "losses.py", "shutil.copy(a, b)"),
    (writing_complaints, "losses.py", "json.dump(a, b)"),
    (size_complaints, "naming.py", "\n" * 92),
    (size_complaints, "training/loop.py", "\n" * 326),
]
KEPT = [
    (flag_complaints, "weights/cards.py", "raise E('leave `step` out')"),
    (flag_complaints, "cli/commands/weights.py", "raise E('--layout is wrong')"),
    (floor_complaints, "losses.py", "from jaxrestore import metrics"),
    (floor_complaints, "data/pipeline.py", "from jaxrestore.data import sources"),
    (floor_complaints, "cli/app.py", "from jaxrestore import __version__"),
    (sibling_complaints, "models/unet.py", "from jaxrestore.models import layers"),
    (sibling_complaints, "models/unet.py", "from jaxrestore.ops import patches"),
    (sibling_complaints, "degradations/batched.py", "from jaxrestore import naming"),
    (
        sibling_complaints,
        "degradations/chain.py",
        "naming.module('degradations', name)",
    ),
    (sibling_complaints, "degradations/__init__.py", "import importlib"),
    (sibling_complaints, "degradations/noise.py", "naming.nearest('a', 'b')"),
    (
        sibling_complaints,
        "degradations/second_order.py",
        "from jaxrestore.degradations import eight_bit, jpeg, noise",
    ),
    (door_complaints, "models/unet.py", "import flax.linen as nn"),
    (door_complaints, "fitting/state.py", "from flax import struct"),
    (door_complaints, "training/loop.py", "from clu import parameter_overview"),
    (door_complaints, "losses.py", "import functools\nimport jax.numpy as jnp"),
    (import_time_complaints, "sharding.py", "def f():\n    return jax.devices()"),
    (import_time_complaints, "cli/app.py", "if __name__ == '__main__':\n    open('x')"),
    (writing_complaints, "losses.py", "files.write_text(path, 'x')"),
    (writing_complaints, "losses.py", "text.replace('a', 'b')\nstate.replace(a=1)"),
    (writing_complaints, "losses.py", "dataclasses.replace(state, a=1)"),
    (writing_complaints, "losses.py", "open('w.txt')\npath.open('rb')\npath.open('a')"),
    (writing_complaints, "files.py", "os.replace(a, b)"),
    (size_complaints, "naming.py", "\n" * 91),
    (size_complaints, "training/loop.py", "\n" * 325),
]


@pytest.mark.parametrize(("checker", "path", "source"), BROKEN)
def test_a_checker_reports_a_broken_rule(checker, path, source):
    complaints = checker(f"jaxrestore/{path}", source)
    assert len(complaints) == 1 and path in complaints[0]


@pytest.mark.parametrize(("checker", "path", "source"), KEPT)
def test_a_checker_lets_pass_what_keeps_the_rule(checker, path, source):
    assert checker(f"jaxrestore/{path}", source) == []
