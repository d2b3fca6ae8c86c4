"""A collection on two Ray nodes, a worker of which is killed, beside one process.

    taskset -c 0,1 python -m benchmarks.collection [--small] [--paths N]

Pictures of 24 to 64 px, one in a hundred damaged, through `pixel_shuffle`. They are
restored by a bare loop in this process, by `jaxrestore restore`, and by `jaxrestore
collection` on a cluster of two nodes on this machine, once undisturbed, once more in
vain, and once with a worker killed by SIGKILL on the way. The results of all must be
equal to the byte. "steady" is the rate between the first result and the last, without
the start of processes.

Then, each in a process of its own: as many paths as are asked for, which are no files,
are planned; a table of as many results is read; and the paths go through Ray, to
workers that find no file. `most_mb` is the most that the process held.
"""

import os
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
from jaxrestore.collection import cluster, keys, ledger, listing, worker
from jaxrestore.inference import folders, shipped

COLUMNS = ["what", "seconds", "pictures/s", "steady", "restored", "there", "failed"]
COLUMNS += ["code"]
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


def loop(source: str, output: str) -> dict[str, float]:
    """Restores what can be, file by file, after a few; returns seconds and failures."""
    network, failed = shipped.load(TASK), 0
    places = sorted(Path(source).rglob("*.png"))
    for place in places[:20]:
        folders.restore_file(network, place, Path(f"{output}-warm", place.name))
    since = time.perf_counter()
    for place in places:
        try:
            to = Path(output) / place.relative_to(source)
            folders.restore_file(network, place, to)
        except errors.ImageError:
            failed += 1
    return {"seconds": time.perf_counter() - since, "failed": failed}


def command(*words: Any) -> tuple[int, float]:
    """Runs `jaxrestore` with these words; returns its exit code and seconds."""
    return ended(*started(*words))


def started(*words: Any) -> tuple[subprocess.Popen, float]:
    """Starts `jaxrestore`, whose output goes nowhere."""
    line = [sys.executable, "-m", "jaxrestore", *map(str, words)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(line, stdout=quiet, stderr=quiet), time.perf_counter()


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
    while len([*output.glob("[0-9]*/*.png")]) < after and running[0].poll() is None:
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
    """Returns a row of a run that has ended; its report, if any, says what failed."""
    failed = len(ledger.reported(output))
    times = [place.stat().st_mtime for place in output.rglob("*.png")]
    row = {"what": what, "seconds": seconds, "code": code, "failed": failed}
    row |= {"restored": len(times), "pictures/s": (len(times) + failed) / seconds}
    return {**row, "steady": (len(times) - 1) / (max(times) - min(times))}


def on_two_nodes(source: Path, home: Path, count: int) -> list[dict[str, Any]]:
    """Returns rows of the runs on a cluster of two nodes of one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    from ray import cluster_utils

    nodes = cluster_utils.Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    try:
        nodes.add_node(num_cpus=1)
        address = str(nodes.address)
        words = ("collection", source, home / "whole", "--task", TASK)
        words = (*words, *at(address))
        rows = [of_run("collection, two nodes", home / "whole", *command(*words))]
        again = of_run("collection, again", home / "whole", *command(*words))
        rows.append({**again, "there": again["restored"], "restored": 0})
        del rows[-1]["steady"]
        killed = disturbed(source, home / "killed", address, count // 5)
        return [*rows, killed]
    finally:
        nodes.shutdown()


def synthetic(count: int) -> Iterator[listing.Entry]:
    """Yields entries of files that are not there, a thousand a folder."""
    root = Path("/collection")
    each = [f"{number:04}.jpg" for number in range(1000)]
    walked = ((root / f"{n:05}", each, []) for n in range(-(-count // 1000)))
    return listing.entries(root, walked)


def planned(count: int) -> dict[str, float]:
    """Returns seconds and MB of planning paths that are no files."""
    with tempfile.TemporaryDirectory() as home:
        before, since = memory(), time.perf_counter()
        found = listing.plan(synthetic(count), Path(home) / "plan")
        size = sum(part.stat().st_size for part in found.parts)
        return {"paths": found.count, "plan_mb": size / 1e6, **_used(before, since)}


def streamed(count: int) -> dict[str, float]:
    """Returns seconds and MB of a driver whose workers find no file at any path."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        found = listing.plan(synthetic(count), home / "plan")
        before, since = memory(), time.perf_counter()
        job = worker.Job(home, home, 1, "none", task=TASK)
        table = keys.Table(np.zeros(0, np.uint64))
        told = sum(map(len, cluster.run(found, job, table, workers=2)))
        return {"paths": told, **_used(before, since)}


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
    status = Path("/proc/self/status").read_text()
    most = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    seconds = time.perf_counter() - since
    return {"before_mb": before, "most_mb": most, "seconds": seconds}


def apart(function: Any, *given: Any) -> dict[str, float]:
    """Returns what a function gives in a process of its own, rounded."""
    with futures.ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(function, *given).result()
    return {name: round(value, 1) for name, value in found.items()}


def main(argv: Sequence[str] | None = None):
    """Prints the table and writes it as JSON."""
    made = harness.parser(__doc__)
    made.add_argument("--paths", type=int, help="to plan; 10,000,000 if not small")
    options = harness.parse(made, argv)
    count = 250 if options.small else 2000
    paths = options.paths or (20_000 if options.small else 10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        rows, facts = restored(Path(folder), count)
    facts["planned"] = apart(planned, paths)
    facts["tabled"] = apart(tabled, paths)
    facts["streamed"] = apart(streamed, paths)
    harness.finish(
        "collection", options, rows, columns=COLUMNS, facts=facts, packages=["ray"]
    )


def restored(home: Path, count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns a row of each run, and whether they agree."""
    source, bare, one = home / "source", home / "loop", home / "folder"
    damaged = make(source, count)
    found = apart(loop, str(source), str(bare))
    rows = [of_run("a bare loop", bare, 0, found["seconds"])]
    words = ("restore", source, "-o", one, "--task", TASK)
    rows.append(of_run("restore, one process", one, *command(*words)))
    for row in rows:  # there is no report
        row["failed"] = int(found["failed"])
    rows += on_two_nodes(source, home, count)
    expected, killed = contents(one), home / "killed"
    same = [contents(home / name) == expected for name in ("loop", "whole", "killed")]
    code, _ = command("collection", source, killed, "--verify")
    facts = {
        "pictures": count,
        "damaged": damaged,
        "missing": sorted({*expected} - {*contents(killed)}),
        "equal_to_the_byte": all(same),
        "named_in_the_report": [row.source for row in ledger.reported(killed)],
        "verify_ends_with": code,
    }
    return rows, facts


if __name__ == "__main__":
    main()
