"""Builds fused-ssim, which is published as source alone, from the carried folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import harness
from benchmarks.gpu import contests


def rows(*, toy: bool) -> Iterator[contests.Row]:
    """Yields how the build ended; the package then lies where the kit's others do."""
    source = Path(os.environ.get("JAXRESTORE_GPU_SOURCES", "none"), "fused-ssim")
    torch = harness.peer("torch")
    why = ""
    if not source.is_dir():
        why = f"no source was carried ({source})"
    elif not torch or not torch.cuda.is_available():
        why = "it needs PyTorch with a GPU"
    if why:
        yield {"contestant": "fused-ssim", "why": why}
        return
    command = [
        *(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps"),
        *("--no-build-isolation", "--target", os.environ["JAXRESTORE_GPU_SITE"]),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip ended with {done.returncode}: {done.stderr[-300:]}")
    yield {"contestant": "fused-ssim", "built": True}
