"""`jaxrestore serve`: the web app, for one person or for many."""

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxrestore import assignments, errors, naming
from jaxrestore.cli import ending

commands = typer.Typer()
_OPTIONS = {
    "hosts": "name",
    "proxies": "proxy",
    "origins": "origin",
    "devices": "device",
}
_HOMES = ("folder", "spool", "database", "programs", "models", "socket", "tokens_file")


@commands.command()
@ending.flags(
    "device",
    "folder",
    "host",
    "insecure_public",
    "models",
    "name",
    "origin",
    "port",
    "proxy",
    "socket",
    "tokens_file",
)
def serve(
    host: Annotated[
        str, typer.Option(help="Where it listens; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Of that host; 0 is any that is free.")
    ] = 8080,
    socket: Annotated[
        Path | None, typer.Option(help="Or a Unix socket, for a proxy before it.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A name by which it is asked for, as restore.example.com; may be "
            "given again."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="What it keeps: pictures until they expire, records without pictures; "
            "~/.local/state/jaxrestore if not given."
        ),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="A folder with networks besides those we ship.")
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="A GPU for an engine of its own, by number or UUID; may be given "
            "again. If none is given, one engine has the first GPU, or the CPU."
        ),
    ] = None,
    tokens_file: Annotated[
        Path | None,
        typer.Option(
            help="Who may use it: lines of a token's SHA-256 and user or admin."
        ),
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="A study of raters, handed out at /study/.")
    ] = None,
    insecure_public: Annotated[
        bool,
        typer.Option("--insecure-public", help="Anybody who reaches it may use it."),
    ] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="It is behind TLS: browsers are told so.")
    ] = False,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="The address of a proxy, or its network, whose word about who asks is "
            "believed; may be given again."
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Another site whose pages may call the API, as https://example.com; "
            "may be given again."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A limit, as max_pixels=10_000_000; docs/web_app.md has them all. May "
            "be given again.",
        ),
    ] = None,
) -> None:
    """Serve the web app: upload, choose, compare, download; and an API.

    It says where it is once it takes requests. Ctrl-C, SIGTERM or a closed terminal
    lets what runs end.
    """
    os.umask(0o077)  # what it writes is for nobody else
    given = {
        "folder": folder or home(),
        "host": host,
        "port": port,
        "socket": socket,
        "models": models,
        "study": study,
        "devices": tuple(device or ()),
        "tokens_file": tokens_file,
        "insecure_public": insecure_public,
        "secure": secure,
        "proxies": tuple(proxy or ()),
        "origins": tuple(origin or ()),
    }
    settings = configured(given, name or [], option or [])
    from jaxrestore.serving import extras

    with extras.needed("the web app"):
        from jaxrestore.serving import logs
        from jaxrestore.serving.http import assembly, server
    server.check(settings)
    app = assembly.assembled(settings, logs.Log())
    tempfile.tempdir = str(settings.spool_folder)  # of uploads too large for memory
    server.serve(settings, app, _say)


def home() -> Path:
    """Returns where a server keeps what is its own, if nothing else is said."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "jaxrestore"


def configured(given: dict[str, Any], names: list[str], more: list[str]) -> Any:
    """Returns the `Settings` of a command line; `more` are KEY=VALUE.

    Raises `ConfigError` for a key that is none, or has another option, and for a value
    of another kind.
    """
    from jaxrestore.serving.settings import Settings

    kinds: dict[str, Any] = {}
    for one in dataclasses.fields(Settings):
        kinds[one.name] = one.default
    known = kinds.keys() - given.keys() - {"hosts"}
    chosen = {}
    for text in more:
        key, value = assignments.read(text)
        if key in _OPTIONS or key in given:
            option = _OPTIONS.get(key, key.replace("_", "-"))
            raise errors.ConfigError(f"--set {text}: give --{option} in its place")
        if key not in known:
            raise errors.ConfigError(
                f"--set {text}: no such key; {naming.nearest(key, known)}"
            )
        chosen[key] = _like(key, value, kinds[key])
    own = (given["host"],) if given["host"] not in ("0.0.0.0", "::") else ()
    return Settings(**given, **chosen, hosts=(*kinds["hosts"], *own, *names))


def _like(key: str, value: Any, default: Any) -> Any:
    """A value as a setting's kind wants it."""
    if key in _HOMES and key != "database":
        if not str(value):
            raise errors.ConfigError(f"--set {key}=: give a place")
        return Path(str(value))
    if isinstance(default, str) or key == "database":
        return str(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = isinstance(default, int) and not isinstance(default, bool)
    if not number or (whole and value % 1 != 0):
        kind = "a whole number" if whole else "a number"
        raise errors.ConfigError(f"--set {key}={value}: it must be {kind}")
    return int(value) if whole else float(value)


def _say(line: str) -> None:
    print(line, flush=True)
