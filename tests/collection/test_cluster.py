import functools
import importlib.util
import json
import os
import sys

import pytest

from jaxrestore import errors
from jaxrestore.collection import cluster, restoring


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


def test_an_error_of_ours_is_found_in_what_ray_has_wrapped():
    inner, outer = errors.DiskError("full"), RuntimeError("task")
    outer.cause = RuntimeError("user code")  # pyright: ignore
    outer.cause.__cause__ = inner  # pyright: ignore
    assert cluster._ours(outer) is inner
    assert cluster._ours(RuntimeError("of Ray")) is None


needs_ray = "this test drives Ray; pip install 'jaxrestore[ray]', or leave -m slow"


@pytest.mark.slow
def test_a_cluster_of_our_own_restores_as_one_process_does(pictures, here, tmp_path):
    assert importlib.util.find_spec("ray"), needs_ray
    run = functools.partial(restoring.restore, pictures, task="pixel_shuffle")
    carry = functools.partial(cluster.run, workers=1)
    by_ray, alone = (
        run(tmp_path / name, carry=way)
        for name, way in (("ray", carry), ("here", here))
    )
    assert by_ray[:4] == alone[:4] == (5, 4, 0, 1)
    for place in (tmp_path / "here").rglob("*.png"):
        same = tmp_path / "ray" / place.relative_to(tmp_path / "here")
        assert same.read_bytes() == place.read_bytes()
    assert run(tmp_path / "ray", carry=carry)[:4] == (5, 0, 4, 1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "below").write_text("in the way")
    with pytest.raises(errors.DiskError):
        run(tmp_path / "full", carry=carry, overwrite=True)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told(pictures, tmp_path):
    assert importlib.util.find_spec("ray"), needs_ray
    with pytest.raises(errors.ConfigError, match="Ray cannot be reached at `address`"):
        restoring.restore(
            pictures,
            tmp_path / "out",
            task="pixel_shuffle",
            carry=functools.partial(cluster.run, address="127.0.0.1:1"),
        )


@pytest.mark.slow
def test_two_nodes_and_a_killed_worker_lose_nothing(tmp_path):
    assert importlib.util.find_spec("ray"), needs_ray
    from benchmarks import collection as benchmark

    output = tmp_path / "result.json"
    benchmark.main(["--small", "--output", str(output)])
    content = json.loads(output.read_text())
    facts, rows = content["facts"], {r["what"]: r for r in content["records"]}
    assert facts["missing"] == [] and facts["equal_to_the_byte"]
    assert facts["named_in_the_report"] == facts["damaged"] and facts["damaged"]
    assert facts["verify_ends_with"] == 0
    killed = rows["collection, a worker killed"]
    assert killed["killed_on_the_way"] and killed["code"] == 0
    assert rows["collection, again"]["restored"] == 0
