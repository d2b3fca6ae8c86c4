"""What freed memory costs when it is asked for again."""

import mmap
import platform
import subprocess
import sys

# A thread, as jax's: it would have a heap of its own.
SIZE = 64_000_000
PAGES = SIZE // mmap.PAGESIZE
PROGRAM = f"""
SIZE = {SIZE}
import resource, sys, threading
from jaxrestore.training import allocator

kept = allocator.keep_freed_memory() if "keep" in sys.argv else False

def work():
    for turn in range(4):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        b"x" * SIZE
        faults.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

faults = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(kept, faults[-1])
"""


def run(*arguments):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, faults = result.stdout.split()
    return kept == "True", int(faults)


def test_a_block_that_was_freed_is_had_again_without_page_faults():
    kept, faults = run("keep")
    assert kept == (platform.libc_ver()[0] == "glibc")
    if kept:
        assert faults < PAGES / 100
        _, by_default = run()
        # Else there was nothing to mend. Huge pages are 512 times fewer.
        assert by_default > 10 * (faults + 1)
