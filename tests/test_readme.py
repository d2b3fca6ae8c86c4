"""The README's promise: two bash blocks, each complete; CI runs the second."""

import re
import shutil
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


def _checkout(folder, block):
    """A repository with our .ci/run, a README of its own and a folder to be kept."""
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    readme = f"```bash\nexit 3\n```\n\n```bash\n{block}\n```\n"
    (folder / "README.md").write_text(readme)
    (folder / ".gitignore").write_text("/.venv/\n")
    for name in (".venv/mine", "tracked", "deleted", "new file"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    tracked = ["README.md", ".gitignore", ".ci", "tracked", "deleted"]
    subprocess.run([*git, "add", *tracked], check=True)
    (folder / "deleted").unlink()
    return folder


def _ci(folder):
    words = ["bash", str(folder / ".ci" / "run")]
    return subprocess.run(words, capture_output=True, text=True)


def test_ci_leaves_the_reader_s_environment_alone(tmp_path):
    folder = _checkout(tmp_path / "a b", "mkdir .venv\npwd\nls -A")
    before = sorted(folder.rglob("*"))
    done = _ci(folder)
    assert done.returncode == 0, done.stderr
    place, *found = done.stdout.splitlines()
    assert {"tracked", "new file", "README.md", ".ci", ".venv"} <= set(found)
    assert "deleted" not in found and Path(place) != folder
    assert not Path(place).exists()
    assert (folder / ".venv" / "mine").read_text() == ".venv/mine"
    assert sorted(folder.rglob("*")) == before


def test_ci_fails_where_the_block_fails(tmp_path):
    done = _ci(_checkout(tmp_path / "a", "false\necho never"))
    assert done.returncode == 1 and "never" not in done.stdout


def test_every_file_the_readme_names_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in set(re.findall(r"configs/(\w+)\.py", README)):
        assert (ROOT / "configs" / f"{name}.py").is_file(), name
