"""The measuring kit for a GPU machine, as far as a CPU can show it."""

import importlib
import inspect
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from packaging.requirements import Requirement

from benchmarks import harness, operations
from benchmarks.gpu import cases, contests, layers, measure, pack, results, resume
from jaxrestore.runs import checkpoints

ROOT = Path(__file__).parents[1]
# A worker that knows four cases and needs nothing but Python.
WORKER = """
import json, os, sys, time
say = lambda answer: print(json.dumps(answer), flush=True)
say({"environment": {"device": "a pocket calculator", "backend": "cpu"}})
for line in sys.stdin:
    name = json.loads(line)
    say({"row": {"contestant": name, "ms": 1.0}})
    if name == "a dies":
        os.kill(os.getpid(), 9)
    if name == "b hangs":
        time.sleep(600)
    say({"failed": "ValueError: no"} if name == "c fails" else {"end": 0.5})
"""


def run(tmp_path, names, seconds=1.0, toy=True):
    """Runs cases by the worker above; returns what lies on the disk."""
    path = tmp_path / "gpu.json"
    found = results.Results(path, {"rehearsal": toy})
    with (tmp_path / "log.txt").open("w") as log:
        command = [sys.executable, "-c", WORKER]
        kit = measure.Run(found, lambda: measure.Worker(command, {}, log), toy)
        chosen = [cases.Case(name, "device", 5, {}) for name in names]
        kit.look(time.monotonic() + 10)
        kit.run(chosen, 1, time.monotonic() + seconds)
        kit.close()
    return json.loads(path.read_text())


def test_a_rehearsal_of_the_cheapest_case_leaves_its_numbers(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu.measure", "--rehearse"]
    command += ["--only", "^a ", "--output", str(tmp_path), "--carried", "none"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["rehearsal"] and content["environment"]["versions"]["jax"]
    (case,) = content["cases"]
    assert (case["name"], case["state"]) == ("a device", "done")
    assert case["rows"][0]["GB/s"] > 0
    rates = {row["contestant"]: row.get("TFLOP/s") for row in case["rows"][1:]}
    assert set(rates) == {f"product in {p}" for p in ("bfloat16", "tf32", "float32")}
    assert all(rate > 0 for rate in rates.values())
    assert (tmp_path / "table.txt").read_text() in done.stdout


def test_what_dies_hangs_or_fails_is_named_and_the_others_go_on(tmp_path):
    names = ["a dies", "c fails", "d is well", "e is well", "b hangs", "f is late"]
    content = run(tmp_path, names, seconds=3.0)
    found = {case["name"]: case for case in content["cases"]}
    states = {name: case["state"] for name, case in found.items()}
    assert states == {
        "a dies": "failed",
        "c fails": "failed",
        "d is well": "done",
        "e is well": "done",
        "b hangs": "ended",
        "f is late": "left out",
    }
    assert "its process ended with -9" in found["a dies"]["why"]
    assert found["c fails"]["why"] == "ValueError: no"
    # What a case had found before its end is kept.
    for name in names[:-1]:
        assert found[name]["rows"] == [{"contestant": name, "ms": 1.0}]
    assert content["environment"]["device"] == "a pocket calculator"


def test_a_machine_without_a_gpu_is_not_measured(tmp_path):
    with pytest.raises(SystemExit, match="no GPU, but a pocket calculator"):
        run(tmp_path, ["d is well"], toy=False)
    assert json.loads((tmp_path / "gpu.json").read_text())["cases"] == []


def test_a_case_that_does_not_fit_into_the_budget_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "WORKER", WORKER.replace('"cpu"', '"gpu"'))
    content = run(tmp_path, ["d is well"], seconds=4.0, toy=False)
    (case,) = content["cases"]
    assert case["state"] == "left out"
    assert case["why"].startswith("it needs about 5 s, ")


def test_the_file_is_whole_while_a_case_runs(tmp_path):
    found = results.Results(tmp_path / "gpu.json", {"rehearsal": False})
    read = lambda: json.loads((tmp_path / "gpu.json").read_text())
    assert read() == {"rehearsal": False, "environment": None, "cases": []}
    found.environment({"device": "A"})
    case = found.begin("d one")
    found.add(case, {"contestant": "ours", "ms": 9.0})
    found.add(case, {"contestant": "ours", "ms": 2.0})  # measured better
    assert read()["cases"][0]["state"] == "running"
    assert read()["cases"][0]["rows"] == [{"contestant": "ours", "ms": 2.0}]
    found.end(case, "done", seconds=1.0)
    found.begin("d two")
    go_on = lambda facts: results.Results(
        tmp_path / "second.json", facts, tmp_path / "gpu.json"
    )
    with pytest.raises(ValueError, match="is of a rehearsal, or this is one"):
        go_on({"rehearsal": True})
    again = go_on({"rehearsal": False})
    with pytest.raises(ValueError, match="is of A, and this is B"):
        again.environment({"device": "B"})
    assert again.finished() == {"d one"}
    assert "d one [done, 1 s]" in again.table() and "d two" not in again.table()


def test_every_case_can_be_called_with_its_options():
    names = [case.name for case in cases.CASES]
    assert len(set(names)) == len(names)
    assert {name[0] for name in names} == set("abcdefgh")
    for case in cases.CASES:
        module = importlib.import_module(f"benchmarks.gpu.{case.home}")
        inspect.signature(module.rows).bind(toy=True, **case.options)
        if case.home == "programs":
            assert case.of in names
            options = {k: v for k, v in case.options.items() if k != "home"}
            home = importlib.import_module(f"benchmarks.gpu.{case.options['home']}")
            inspect.signature(home.programs).bind(toy=True, **options)


def test_a_contestant_that_fails_or_differs_is_named_and_not_timed():
    def broken():
        raise ValueError("out of order\nand more")

    one = jnp.ones(3)
    contestants = {
        "ours": lambda: one,
        "equal": lambda: one * 1.001,
        "other": lambda: one * 2,
        "of another shape": lambda: jnp.ones(4),
        "not a number": lambda: one * np.nan,
        "broken": broken,
    }
    found = contests.rows(contestants, toy=True, answer=lambda name, result: result)
    found = list(found)
    rows = {row["contestant"]: row for row in found}
    assert "why" not in rows["ours"], rows["ours"]
    quick = [row["contestant"] for row in found if "calls timed" in row]
    assert quick == ["ours", "equal"]  # a row at once, and one that takes its place
    assert {name for name, row in rows.items() if "ms" in row} == {"ours", "equal"}
    assert rows["equal"]["differs by"] == pytest.approx(1e-3, rel=1e-2)
    assert rows["other"]["why"] == "ValueError: it differs by 1"
    assert rows["of another shape"]["why"] == "ValueError: it gives (4,), ours (3,)"
    assert rows["not a number"]["why"] == "ValueError: it differs by nan"
    assert rows["broken"]["why"] == "ValueError: out of order"


def test_a_ratio_is_to_the_contestant_that_starts_from_the_same():
    value = lambda: jnp.ones(3)
    names = ("ours", "ours, uint8", "theirs, uint8", "the host alone")
    base = {"theirs, uint8": "ours, uint8", "the host alone": ""}.get
    found = contests.rows(dict.fromkeys(names, value), toy=True, base=base)
    rows = {row["contestant"]: row for row in found}
    assert rows["ours"]["times ours"] == 1
    ours, theirs = rows["ours, uint8"]["ms"], rows["theirs, uint8"]["ms"]
    assert rows["theirs, uint8"]["times ours"] == pytest.approx(theirs / ours)
    assert "times ours" not in rows["the host alone"]


def test_the_share_of_the_floor_is_that_of_the_slower_of_two_bounds(monkeypatch):
    monkeypatch.setattr(contests.device, "rate", lambda precision, toy: 100.0)
    monkeypatch.setattr(contests.device, "bandwidth", lambda toy: 10.0)
    assert contests.Work(200, 5).floor(toy=True) == 2.0
    assert contests.Work(200, 50).floor(toy=True) == 5.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", layers.KINDS)
def test_all_forms_of_a_layer_give_the_same(kind):
    rows = list(layers.rows(toy=True, kind=kind))
    assert rows and not [row for row in rows if "why" in row]
    names = [row["contestant"] for row in rows if "calls timed" not in row]
    assert len(set(names)) == len(names) >= 2


def test_a_compiled_step_carries_its_state_on_and_leaves_the_callers():
    state = {"count": jnp.zeros(())}
    step = harness.Compiled(
        lambda held, by: ({"count": held["count"] + by}, held["count"]),
        state,
        jnp.float32(2),
        carry=True,
    )
    before = step.workspace
    assert [float(step()) for _ in range(3)] == [0, 2, 4]
    assert float(state["count"]) == 0
    assert before is None
    assert step.workspace >= 0 and step.arguments >= 8


def test_calls_in_flight_are_waited_for_together(monkeypatch):
    waited = []
    monkeypatch.setattr(harness, "wait", waited.append)
    harness._seconds(iter(range(7)).__next__, 7, 3)
    assert waited == [2, 5, 6]


def test_a_case_brings_what_it_needs_and_a_damaged_wheel_keeps_no_other_away(
    tmp_path,
):
    wheels = tmp_path / "carried" / "wheels"
    wheels.mkdir(parents=True)
    (wheels / "broken-1-py3-none-any.whl").write_bytes(b"not a wheel")
    with zipfile.ZipFile(wheels / "sound-1-py3-none-any.whl", "w") as archive:
        archive.writestr("sound.py", "")
        info = "sound-1.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: sound\nVersion: 1\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    with (tmp_path / "log.txt").open("w") as log:
        measure._install(sorted(wheels.iterdir()), tmp_path / "site", log)
    assert (tmp_path / "site" / "sound.py").exists()


def test_operations_are_those_of_products_and_convolutions():
    image, kernel = jnp.zeros((2, 5, 5, 3)), jnp.zeros((3, 3, 3, 4))

    def convolved(image, kernel, padding: Any = "VALID", **options):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            image, kernel, (1, 1), padding, dimension_numbers=numbers, **options
        )

    count = operations.count
    assert count(jnp.matmul, jnp.zeros((2, 3)), jnp.zeros((3, 5))) == 2 * 2 * 3 * 5
    assert count(convolved, image, kernel) == 2 * (2 * 9 * 4) * 27
    # Of 3 taps at 5 places 13 meet the image, along each side.
    same = lambda image, kernel: convolved(image, kernel, "SAME")
    assert count(same, image, kernel) == 2 * 2 * 4 * 3 * 13**2

    # Of 3 taps at 7 places, in an image with zeros between its pixels, 11.
    def spread(image, kernel):
        return convolved(image, kernel, [(0, 0)] * 2, lhs_dilation=(2, 2))

    assert count(spread, image, kernel) == 2 * 2 * 4 * 3 * 11**2
    loop = lambda image: jax.lax.scan(lambda x, _: (x @ x, None), image, length=7)
    assert count(loop, jnp.zeros((3, 3))) == 7 * 2 * 27
    # What nobody asks for is not done.
    unused = jax.jit(lambda a, b: (a @ b, a + b))
    assert count(lambda a, b: unused(a, b)[1], *[jnp.zeros((3, 3))] * 2) == 0
    # Nothing is compiled, and XLA, where it counts at all, finds the same.
    xla = jax.jit(same).lower(image, kernel).cost_analysis()["flops"]
    assert count(same, image, kernel) == xla


# What is carried, without a network.


def carried():
    lines = (pack.HERE / "wheels.txt").read_text().splitlines()
    pairs = [line.split()[0].split("==") for line in lines if not line.startswith("#")]
    return {name: (version, []) for name, version in pairs}


def test_a_run_that_resumed_otherwise_is_repeated_with_one_program(monkeypatch):
    caches = []

    def start(settings, environment, workdir):
        caches.append("JAX_COMPILATION_CACHE_DIR" in environment)
        return SimpleNamespace(wait=lambda: None)

    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(resume, "_start", start)
    monkeypatch.setattr(resume, "_finish", lambda process: None)
    monkeypatch.setattr(resume, "_killed_after_a_checkpoint", lambda *run: 20)
    monkeypatch.setattr(checkpoints, "steps", lambda workdir: [200])
    # Each process its own program: no two of them end alike.
    end = lambda workdir, step: "cache" in str(workdir) or workdir
    monkeypatch.setattr(checkpoints, "state_hash", end)
    assert list(resume.rows(toy=False, deterministic=True)) == [
        {"contestant": "killed -9 at 20, resumed to 200", "equal": False},
        {"contestant": "two runs that nobody killed", "equal": False},
        {
            "contestant": "killed -9 at 20, resumed to 200 with a program cache",
            "equal": True,
        },
    ]
    assert caches == [False] * 4 + [True] * 3


def test_the_listed_wheels_and_the_machine_meet_every_requirement():
    assert pack.missing(pack.needs(), carried()) == []


def test_what_nothing_offers_and_what_is_too_old_is_named():
    offered = {"flax": ("0.11", ["msgpack", 'torch>=9; extra == "all"'])}
    assert pack.missing(["flax>=0.12", "no-such", "jax>=0.5"], offered) == [
        "jaxrestore needs flax>=0.12, offered is 0.11",
        "flax needs msgpack, which nothing offers",
        "jaxrestore needs no-such, which nothing offers",
    ]
    assert pack.missing(["flax[all]"], offered)[-1].startswith("flax needs torch>=9")
    assert pack.missing(['old; python_version < "3.9"'], {}) == []


def test_each_wheel_is_pinned_by_its_hash():
    lines = (pack.HERE / "wheels.txt").read_text().splitlines()[1:]
    for line in lines:
        requirement, digest = line.split(" --hash=sha256:")
        assert len(digest) == 64 and "==" in str(Requirement(requirement))
