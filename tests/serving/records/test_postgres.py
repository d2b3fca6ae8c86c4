"""The PostgreSQL of the tests goes with them, however they end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HELD = """
import sys
from serving.records import postgres
with postgres.cluster() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def lives(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("killed", [True, False])
def test_neither_a_process_nor_a_file_stays(cluster, killed):
    places = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    process = subprocess.Popen(
        [sys.executable, "-c", HELD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": places},
    )
    with process:
        folder = Path(process.stdout.readline().strip().partition("host=")[2])
        number = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        assert lives(number) and cluster.partition("host=")[2] != str(folder)
        if killed:
            process.kill()
    until = time.monotonic() + 10
    while lives(number) or folder.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
