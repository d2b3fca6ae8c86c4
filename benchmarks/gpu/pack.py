"""Fills the folder that a bare GPU machine without a network is given.

    python -m benchmarks.gpu.pack [--source fused-ssim=CHECKOUT]
    python -m benchmarks.gpu.pack --renew      resolves again, rewrites wheels.txt

Downloads the wheels in `wheels.txt`, each of the SHA-256 that stands there, for CPython
3.12 on Linux x86-64; checks that together with what the machine holds (`machine.txt`)
nothing that jaxrestore or a rival needs is missing, and that all stays below 60 MiB.
The photographs that training and scoring need come inside scikit-image's wheel.
`--source` carries a package that is published as source alone, to be built there.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.parser import BytesParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT = 60 * 2**20
RIVALS = ("spandrel", "pytorch-msssim", "frame-analytics")
# Of a source package: its images and what git keeps stay here.
SOURCES = (".py", ".toml", ".txt", ".cpp", ".cu", ".h", ".md")
MARKERS = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.12.3",
    "python_version": "3.12",
    "sys_platform": "linux",
    "extra": "",
}
# pip takes a wheel only if the very tag that it bears is named; glibc there is 2.39.
TAGS = (*(f"_2_{minor}" for minor in range(39, 4, -1)), "2014", "2010", "1")


def main(argv: Sequence[str] | None = None) -> None:
    """Fills the folder; ends with a sentence where something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=ROOT / ".gpu", metavar="DIR")
    parser.add_argument("--renew", action="store_true", help="rewrite wheels.txt first")
    parser.add_argument(
        "--source", action="append", default=[], type=_source, metavar="NAME=DIR"
    )
    options = parser.parse_args(argv)
    if options.renew:
        (HERE / "wheels.txt").write_text(resolved())
    wheels = options.into / "wheels"
    download(wheels)
    for name, folder in options.source:
        carry_source(folder, options.into / "sources" / name)
    complaints = missing(needs(), offered(wheels))
    size = sum(x.stat().st_size for x in options.into.rglob("*") if x.is_file())
    if size >= LIMIT:
        complaints.append(f"{options.into} holds {size / 2**20:.1f} of 60 MiB")
    if complaints:
        sys.exit("\n".join(complaints))
    count = len(list(wheels.glob("*.whl")))
    print(f"{options.into}: {count} wheels, nothing missing, {size / 2**20:.1f} MiB")


def needs() -> list[str]:
    """Returns the requirements of jaxrestore, as its pyproject has them, and rivals."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *RIVALS]


def machine() -> dict[str, str]:
    """Returns the names of what the machine holds, with a version or ""."""
    lines = (HERE / "machine.txt").read_text().splitlines()
    pairs = [line.partition("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in pairs}


def download(wheels: Path) -> None:
    """Makes `wheels` hold what wheels.txt names, and nothing else.

    Ends the program where a file cannot be had or is not the one that was named.
    """
    listed = HERE / "wheels.txt"
    fresh = wheels.with_name("wheels.new")
    shutil.rmtree(fresh, ignore_errors=True)
    command = ["download", "--quiet", "--no-deps", "--require-hashes", *_target()]
    command += ["--find-links", str(wheels)] * wheels.is_dir()
    _pip([*command, "--dest", str(fresh), "--requirement", str(listed)])
    shutil.rmtree(wheels, ignore_errors=True)
    fresh.rename(wheels)


def resolved() -> str:
    """Returns wheels.txt anew: newest versions that go with the machine's own."""
    held = machine()
    pinned = [f"{name}=={version}" for name, version in held.items() if version]
    command = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    command += ["--target", "nowhere", *_target(), *needs(), *pinned]
    report = json.loads(_pip(command))
    lines = []
    for package in report["install"]:
        name = canonicalize_name(package["metadata"]["name"])
        if name in held or name.startswith(("nvidia-", "cuda-")):
            continue
        digest = package["download_info"]["archive_info"]["hashes"]["sha256"]
        version = package["metadata"]["version"]
        lines.append(f"{name}=={version} --hash=sha256:{digest}")
    heading = "# Written by `python -m benchmarks.gpu.pack --renew`.\n"
    return heading + "\n".join(sorted(lines)) + "\n"


def carry_source(folder: Path, into: Path) -> None:
    """Copies the text files of a source package; ends the program where it has none."""
    files = [x for x in folder.rglob("*") if x.suffix in SOURCES and x.is_file()]
    if not files or into.resolve().is_relative_to(folder.resolve()):
        sys.exit(f"{folder} is no source to carry: give the checkout of a package")
    fresh = into.with_name(f"{into.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for file in files:
        place = fresh / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    shutil.rmtree(into, ignore_errors=True)
    fresh.rename(into)


def _source(text):
    name, _, folder = text.partition("=")
    if not name or not folder or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=DIR of a folder")
    return name, Path(folder)


def offered(wheels: Path) -> dict[str, tuple[str, list[str]]]:
    """Returns by name the version and requirements of each carried wheel."""
    found = {}
    for path in wheels.glob("*.whl"):
        name, version, *_ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            inside = next(
                x for x in archive.namelist() if x.endswith(".dist-info/METADATA")
            )
            metadata = BytesParser().parsebytes(archive.read(inside))
        found[name] = (str(version), metadata.get_all("Requires-Dist") or [])
    return found


def missing(
    needs: Iterable[str], carried: Mapping[str, tuple[str, list[str]]]
) -> list[str]:
    """Returns a sentence for each requirement that neither wheels nor machine meet."""
    held, complaints = machine(), []
    for source, requirement in _closure("jaxrestore", needs, carried, set()):
        name = canonicalize_name(requirement.name)
        version = carried[name][0] if name in carried else held.get(name)
        if version is None:
            complaints.append(f"{source} needs {name}, which nothing offers")
        elif version and not requirement.specifier.contains(version, prereleases=True):
            complaints.append(f"{source} needs {requirement}, offered is {version}")
    return complaints


def _closure(source, needs, carried, seen) -> Iterator[tuple[str, Requirement]]:
    """The requirements, and those of the wheels that meet them; who needs each."""
    for requirement in map(Requirement, needs):
        if requirement.marker and not requirement.marker.evaluate(MARKERS):
            continue
        yield source, requirement
        name = canonicalize_name(requirement.name)
        extras = frozenset(requirement.extras)
        if name in carried and (name, extras) not in seen:
            seen.add((name, extras))
            for extra in ("", *extras):
                yield from _closure(name, _of(carried[name][1], extra), carried, seen)


def _of(requirements, extra):
    """Those of an extra alone, or those without any."""
    for text in requirements:
        marker = Requirement(text).marker
        plain = not marker or marker.evaluate(MARKERS)
        if not extra and plain:
            yield text
        elif extra and not plain and marker.evaluate(MARKERS | {"extra": extra}):
            yield text.partition(";")[0]


def _target() -> list[str]:
    target = ["--only-binary=:all:", "--python-version=3.12", "--implementation=cp"]
    return target + [f"--platform=manylinux{tag}_x86_64" for tag in TAGS]


def _pip(arguments: Sequence[str]) -> str:
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"pip {arguments[0]} ended with {done.returncode}; see above")
    return done.stdout


if __name__ == "__main__":
    main()
