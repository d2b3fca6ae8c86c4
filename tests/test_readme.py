"""The README's promise: two bash blocks, each complete; CI runs the second."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_block_runs_the_demo_from_nothing():
    assert "-m venv" in BLOCKS[0] and "pip install ." in BLOCKS[0]
    assert "--config configs/gan_full.py:demo --workdir runs/demo" in BLOCKS[0]


def test_the_second_block_passes_the_tests_from_nothing():
    assert "-m venv" in BLOCKS[1] and "[dev]" in BLOCKS[1]
    assert BLOCKS[1].rstrip().endswith("pytest")


def test_ci_runs_exactly_the_second_block():
    printed = subprocess.run(
        ["bash", str(ROOT / ".ci" / "run"), "--print"], capture_output=True, text=True
    )
    assert printed.returncode == 0
    assert printed.stdout.strip() == BLOCKS[1].strip()


def test_every_file_the_readme_names_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in set(re.findall(r"configs/(\w+)\.py", README)):
        assert (ROOT / "configs" / f"{name}.py").is_file(), name
