"""PostgreSQL for the tests: a cluster of their own, in a temporary folder."""

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

_PLACES = [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
_PATH = os.pathsep.join([os.environ.get("PATH", ""), *_PLACES])
_INITDB = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
_FAST = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=16MB",
)
# It ends with its standard input, so also where the tests are killed, and cleans up.
_SERVE = """
server=$1 folder=$2
shift 2
"$server" -D "$folder/data" -k "$folder" "$@" > "$folder/log" 2>&1 &
read -r _
kill -INT $!
wait $!
rm -rf -- "$folder"
"""
_LONGEST = 20.0  # seconds until it answers


def program(name):
    """Where a program of PostgreSQL is, or None."""
    return shutil.which(name, path=_PATH)


@contextlib.contextmanager
def cluster():
    """Yields the URL of a database of a new cluster, which nobody else reaches.

    It listens at a Unix socket alone. root may not run PostgreSQL: then nobody does.
    """
    folder = Path(tempfile.mkdtemp(prefix="jaxrestore-postgres-"))
    rights = {}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        rights = {**who, "extra_groups": ()}
    made = [program("initdb"), "-D", folder / "data", *_INITDB, "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd="/", **rights)
    options = [word for option in _FAST for word in ("-c", option)]
    server = subprocess.Popen(
        ["sh", "-c", _SERVE, "serve", program("postgres"), folder, *options],
        stdin=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        **rights,
    )
    try:
        _wait(server, folder)
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.stdin.close()
        server.wait(_LONGEST)


def _wait(server, folder):
    """Returns once it answers."""
    import psycopg

    until = time.monotonic() + _LONGEST
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "log").read_text()) from None
            time.sleep(0.02)
