"""A collection on two Ray nodes, a worker of which is killed, beside one process.

    taskset -c 0,1 python -m benchmarks.collection [--small] [--paths N]

Pictures of 24 to 64 px, one in a hundred damaged, through `pixel_shuffle`. They are
restored by a bare loop in this process, by `jaxrestore restore`, and by `jaxrestore
collection` on a cluster of two nodes on this machine, once undisturbed, once more in
vain, and once with a worker killed by SIGKILL on the way. The results of all must be
equal to the byte. Then as many paths as are asked for, which are no files, are planned,
and a table of as many results is read, each in a process of its own.
"""

import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.many_sizes import memory
from jaxrestore import errors, images
from jaxrestore.collection import ledger, listing
from jaxrestore.inference import folders, shipped

COLUMNS = ["what", "seconds", "pictures/s", "restored", "there", "failed", "code"]
TASK = "pixel_shuffle"
DAMAGED = 100  # one picture of so many


def make(root: Path, count: int) -> list[str]:
    """Makes pictures in folders below `root`; returns the names of the damaged ones."""
    generator, damaged = np.random.default_rng(0), []
    for number in range(count):
        height, width = generator.integers(24, 65, 2)
        place = root / f"{number // 100:03}" / f"{number:06}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        rows, columns = np.mgrid[:height, :width][..., np.newaxis]
        waves = np.sin(rows / 5 + columns / 7 + generator.random(3) * 6)
        images.encode(np.rint(127.5 + 120 * waves).astype(np.uint8), place)
        if number % DAMAGED == DAMAGED // 2:
            place.write_bytes(place.read_bytes()[: [0, 20, 200][number % 3]])
            damaged.append(place.relative_to(root).as_posix())
    return damaged


def loop(source: Path, output: Path) -> int:
    """Restores what can be, file by file; returns how many cannot."""
    network, failed = shipped.load(TASK), 0
    for place in sorted(source.rglob("*.png")):
        try:
            folders.restore_file(network, place, output / place.relative_to(source))
        except errors.ImageError:
            failed += 1
    return failed


def command(*words: Any) -> tuple[int, float]:
    """Runs `jaxrestore` with these words; returns its exit code and seconds."""
    return ended(*started(*words))


def started(*words: Any) -> tuple[subprocess.Popen, float]:
    """Starts `jaxrestore`, whose output goes nowhere."""
    line = [sys.executable, "-m", "jaxrestore", *map(str, words)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(line, **quiet), time.perf_counter()


def ended(process: subprocess.Popen, since: float) -> tuple[int, float]:
    """Waits for a command; returns its exit code and seconds."""
    return process.wait(), time.perf_counter() - since


def contents(root: Path) -> dict[str, bytes]:
    """Returns what the pictures below a folder hold, by their path."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.png")}


def workers() -> list[int]:
    """Returns the processes that restore: actors of Ray that this process began."""
    parents, found = {}, []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status = (place / "stat").read_text().rpartition(")")[2].split()
            parents[int(place.name)] = int(status[1])
            if "MapWorker" in (place / "cmdline").read_text():
                found.append(int(place.name))
        except (OSError, ValueError):
            continue  # it has ended meanwhile
    return [pid for pid in found if os.getpid() in _ancestors(pid, parents)]


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def disturbed(source: Path, output: Path, address: str, after: int) -> dict[str, Any]:
    """Returns a row of a run of which a worker is killed after so many results."""
    running = started("collection", source, output, "--task", TASK, *at(address))
    while len([*output.rglob("*.png")]) < after and running[0].poll() is None:
        time.sleep(0.01)
    victim = workers()[0]
    os.kill(victim, signal.SIGKILL)
    killed = running[0].poll() is None
    row = of_run("collection, a worker killed", output, *ended(*running))
    return {**row, "killed_on_the_way": killed}


def at(address: str) -> list[str]:
    """Returns the options of a run on a cluster, bad pictures allowed."""
    return ["--address", address, "--max-bad-fraction", "0.02"]


def of_run(what: str, output: Path, code: int, seconds: float) -> dict[str, Any]:
    """Returns a row of a run that has ended."""
    failed = len(ledger.reported(output))
    made = len(contents(output))
    row = {"what": what, "seconds": seconds, "code": code, "failed": failed}
    return {**row, "restored": made, "pictures/s": (made + failed) / seconds}


def on_two_nodes(source: Path, home: Path, count: int) -> list[dict[str, Any]]:
    """Returns rows of the runs on a cluster of two nodes of one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    from ray import cluster_utils

    cluster = cluster_utils.Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    try:
        cluster.add_node(num_cpus=1)
        words = ("collection", source, home / "whole", "--task", TASK)
        words = (*words, *at(cluster.address))
        rows = [of_run("collection, two nodes", home / "whole", *command(*words))]
        again = of_run("collection, again", home / "whole", *command(*words))
        rows.append({**again, "there": again["restored"], "restored": 0})
        killed = disturbed(source, home / "killed", cluster.address, count // 5)
        return [*rows, killed]
    finally:
        cluster.shutdown()


def planned(count: int) -> dict[str, float]:
    """Returns seconds and MB of planning paths that are no files."""
    root = Path("/collection")
    each = [f"{number:04}.jpg" for number in range(1000)]
    walked = ((root / f"{n:05}", each) for n in range(-(-count // 1000)))
    with tempfile.TemporaryDirectory() as home:
        before, since = memory(), time.perf_counter()
        found = listing.plan(listing.entries(root, walked), Path(home) / "plan")
        size = sum(part.stat().st_size for part in found.parts)
        return {"paths": found.count, "plan_mb": size / 1e6, **_used(before, since)}


def tabled(count: int) -> dict[str, float]:
    """Returns seconds and MB of a table of results that were never made."""
    before, since = memory(), time.perf_counter()
    rows = (
        ledger.Done(f"{n}.jpg", f"{n}.png", f"{n:032x}", n, f"{n:032x}")
        for n in range(count)
    )
    (table,) = ledger.table(rows, ledger.sized)
    kept = memory() - before
    size = table.fingerprints.nbytes / 1e6
    return {"results": count, "table_mb": size, "kept_mb": kept, **_used(before, since)}


def _used(before: float, since: float) -> dict[str, float]:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    seconds = time.perf_counter() - since
    return {"before_mb": before, "most_mb": most, "seconds": seconds}


def apart(function: Any, count: int) -> dict[str, float]:
    """Returns what a function gives in a process of its own, rounded."""
    with futures.ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(function, count).result()
    return {name: round(value, 1) for name, value in found.items()}


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    made = harness.parser(__doc__)
    made.add_argument("--paths", type=int, help="to plan; 10,000,000 if not small")
    options = harness.parse(made, argv)
    count, paths = (100, 20_000) if options.small else (2000, 10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        source = home / "source"
        damaged = make(source, count)
        loop(source / "000", home / "warm")
        since = time.perf_counter()
        failed = loop(source, home / "loop")
        seconds = time.perf_counter() - since
        rows = [of_run("a bare loop", home / "loop", 0, seconds) | {"failed": failed}]
        words = ("restore", source, "-o", home / "folder", "--task", TASK)
        rows.append(of_run("restore, one process", home / "folder", *command(*words)))
        rows[-1]["failed"] = failed
        rows += on_two_nodes(source, home, count)
        expected = contents(home / "folder")
        facts = {
            "pictures": count,
            "damaged": damaged,
            "missing": sorted({*expected} - {*contents(home / "killed")}),
            "equal_to_the_byte": all(
                contents(home / name) == expected
                for name in ("loop", "whole", "killed")
            ),
            "named_in_the_report": [
                row.source for row in ledger.reported(home / "killed")
            ],
        }
        verified = command("collection", source, home / "killed", "--verify")
        facts["verify_ends_with"] = verified[0]
    facts["planned"] = apart(planned, options.paths or paths)
    facts["tabled"] = apart(tabled, options.paths or paths)
    harness.finish(
        "collection", options, rows, columns=COLUMNS, facts=facts, packages=["ray"]
    )


if __name__ == "__main__":
    main()
