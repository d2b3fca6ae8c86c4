import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxrestore import errors
from jaxrestore.collection import cluster

ROOT = Path(__file__).parents[2]


def test_without_ray_it_is_said_what_to_install(restore, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    before = {**os.environ}
    with pytest.raises(errors.ConfigError, match=r"pip install 'jaxrestore\[ray\]'"):
        restore(carry=cluster.run)
    assert before == {**os.environ}


def test_variables_are_set_for_a_while_and_no_choice_is_overruled(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with cluster._variables(cluster._OURS):
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_an_error_that_ends_a_run_is_a_row():
    def fail(lines):
        raise errors.DiskError("full")

    actor: Any = object.__new__(cluster._Actor)
    actor._worker = fail
    batch = {"text": np.array(["a line"])}
    assert actor(batch) == {"text": ["full"], "error": ["DiskError"]}
    actor._worker = lambda lines: [*lines, "another"]
    assert actor(batch) == {"text": ["a line", "another"], "error": ["", ""]}


def test_nobody_at_an_address_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster._knock(f"127.0.0.1:{port}")
    with pytest.raises(OSError, match="refused"):
        cluster._knock(f"127.0.0.1:{port}")
    for another in ("", "auto", "ray://127.0.0.1:1"):
        cluster._knock(another)


needs_ray = "this test drives Ray; pip install 'jaxrestore[ray]', or leave -m slow"


def _run(*words):
    """A process of its own: Ray leaves threads, and warns of its own code."""
    assert importlib.util.find_spec("ray"), needs_ray
    line = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def _restored(source, out, *options):
    words = ("jaxrestore", "collection", source, out, "--task", "pixel_shuffle")
    return _run(*words, "--max-bad-fraction", "0.2", *options)


@pytest.mark.slow
def test_a_cluster_of_our_own_restores_as_one_process_does(pictures, tmp_path):
    code, said = _restored(pictures, tmp_path / "two")
    assert code == 0 and "4 pictures in" in said and "1 failed" in said, said
    assert not re.search("ray|warn|error", said.replace(str(tmp_path), ""), re.I), said
    words = ("restore", pictures, "-o", tmp_path / "one", "--task", "pixel_shuffle")
    assert _run("jaxrestore", *words)[0] == 6
    results = [*(tmp_path / "one").rglob("*.png")]
    for place in results:
        same = tmp_path / "two" / place.relative_to(tmp_path / "one")
        assert same.read_bytes() == place.read_bytes()
    assert len(results) == 4
    code, said = _restored(pictures, tmp_path / "two")
    assert code == 0 and "0 pictures in" in said and "4 more were there" in said


@pytest.mark.slow
def test_what_a_worker_meets_is_told_as_if_it_were_met_here(pictures, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "below").write_text("in the way")
    code, said = _restored(pictures, tmp_path / "out", "--overwrite")
    assert code == 6 and "4 of 5 pictures could not be restored" in said, said
    code, said = _restored(pictures, tmp_path / "other", "--strength", "2")
    assert code == 2 and said.splitlines()[-1].startswith("error: --strength is 2")


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told(pictures, tmp_path):
    code, said = _restored(pictures, tmp_path / "out", "--address", "127.0.0.1:1")
    assert code == 2 and "error: Ray cannot be reached at --address 127" in said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_nodes_and_a_killed_worker_lose_nothing(tmp_path):
    output = tmp_path / "result.json"
    code, said = _run("benchmarks.collection", "--small", "--output", output)
    assert code == 0, said
    content = json.loads(output.read_text())
    facts, rows = content["facts"], {r["what"]: r for r in content["records"]}
    assert facts["missing"] == [] and facts["equal_to_the_byte"]
    assert facts["named_in_the_report"] == facts["damaged"] and facts["damaged"]
    assert facts["verify_ends_with"] == 0
    killed = rows["collection, a worker killed"]
    assert killed["killed_on_the_way"] and killed["code"] == 0
    assert rows["collection, again"]["restored"] == 0
