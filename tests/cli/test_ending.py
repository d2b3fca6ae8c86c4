import errno
import os
import signal
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import jax
import pytest

from jaxrestore import errors
from jaxrestore.cli import ending


def code(capsys, error):
    def task():
        raise error

    with pytest.raises(SystemExit) as caught:
        ending.run(task)
    return caught.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ConfigError("x"), 2),
        (errors.NoInputError("x"), 3),
        (MemoryError(), 5),
        (errors.PartialError("x"), 6),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"), 5),
        (errors.TrainingError("x"), 65),
        (errors.MismatchError("x"), 66),
        (OSError(errno.ENOSPC, "No space left on device"), 74),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 74),
        (FileExistsError(errno.EEXIST, "File exists", "/x"), 74),
        (errors.DiskError("x"), 74),
        (errors.ServerError("x"), 69),
        (errors.DamagedError("x"), 66),
        (ValueError("… No space left on device …"), 74),
        (KeyboardInterrupt(), 130),
        (errors.Interrupted("x", 15), 143),
        (errors.Interrupted("x", 2), 130),
    ],
)
def test_each_way_to_end_has_its_code_and_one_line(capsys, error, expected):
    ended, said = code(capsys, error)
    assert ended == expected
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_bug_leaves_its_trace_in_a_file_and_prints_the_path(capsys):
    ended, said = code(capsys, ZeroDivisionError("division by zero"))
    assert ended == 1
    path = Path(said.splitlines()[-1].removeprefix("its trace is in "))
    assert "ZeroDivisionError" in path.read_text()
    path.unlink()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (AssertionError(), "there is no such device here"),
        (RuntimeError("No 'x' in the list. (set JAX_PLATFORMS='' to)"), "No 'x' in"),
    ],
)
def test_a_platform_that_jax_does_not_have_is_no_bug(capsys, monkeypatch, error, why):
    def devices():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "x")
    monkeypatch.setattr(jax, "devices", devices)
    ended, said = code(capsys, error)
    assert ended == 2 and said.count("\n") == 1
    assert f"jax cannot use JAX_PLATFORMS=x ({why}" in said
    assert "set it to cpu" in said and "(set" not in said


def test_a_missing_file_that_nobody_explains_is_a_bug(capsys, tmp_path):
    missing = FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "a.html"))
    ended, said = code(capsys, missing)
    assert ended == 1 and "a bug: FileNotFoundError" in said and "a.html" in said
    Path(said.splitlines()[-1].removeprefix("its trace is in ")).unlink()


def test_a_notice_is_one_line_on_stderr_and_stops_nothing():
    script = (
        "import warnings\n"
        "from jaxrestore import errors\n"
        "from jaxrestore.cli import ending\n"
        "task = lambda: warnings.warn('a.png: look', errors.Notice, stacklevel=2)\n"
        "ending.run(task)\n"
        "warnings.warn('from elsewhere')\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    first, second = done.stderr.splitlines()[:2]
    assert first == "note: a.png: look"
    assert "UserWarning: from elsewhere" in second


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii"])
def test_a_name_that_the_encoding_cannot_spell_is_no_bug(encoding):
    script = (
        "from jaxrestore.cli import ending\n"
        "ending.run(lambda: print('a\\udce9\\u6f22 is done'))\n"
    )
    command = [sys.executable, "-c", script]
    surroundings = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"a\\udce9") and b" is done" in done.stdout


def test_what_goes_well_does_not_end_the_process():
    ending.run(lambda: None)


def test_the_docs_have_every_code():
    table = (Path(__file__).parents[2] / "docs" / "exit_codes.md").read_text()
    for number in (0, 1, 2, 3, 5, 6, 65, 66, 69, 74, 75, 130, 141, 143):
        assert f"| {number} |" in table


def test_an_argument_of_the_library_is_spelt_as_the_option_it_is():
    @ending.flags("level", "tile_side")
    def command():
        raise errors.MismatchError("give `level` and `tile_side`, not `name`")

    with pytest.raises(errors.MismatchError, match="give --level and --tile-side, not"):
        command()


def test_a_thread_that_hears_no_signals_works_inside():
    def work():
        with ending.terminable():
            return signal.getsignal(signal.SIGTERM)

    with futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() is signal.getsignal(signal.SIGTERM)
    assert work() is not signal.getsignal(signal.SIGTERM)
