"""What others wrote is as they published it, with licences, and there is no more."""

import hashlib
import json

from jaxrestore.serving.pages import static_files

VENDOR = static_files.STATIC / "vendor"


def test_vendored_files_are_those_that_are_written_down():
    packages = json.loads((VENDOR / "vendor.json").read_text())
    listed = {}
    for package in packages:
        assert package["url"].startswith("https://registry.npmjs.org/")
        assert package["url"].endswith(f"-{package['version']}.tgz")
        names = package["files"]
        assert any("LICENSE" in name for name in names), package["name"]
        listed |= {name: file["sha256"] for name, file in names.items()}
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes())
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "vendor.json"
    }
    assert {name: digest.hexdigest() for name, digest in found.items()} == listed


def test_the_licences_are_the_texts_of_those_that_are_named():
    words = {"MIT": "MIT License", "Apache-2.0": "Apache License"}
    for package in json.loads((VENDOR / "vendor.json").read_text()):
        (text,) = (
            (VENDOR / name).read_text()
            for name in package["files"]
            if name.endswith(".LICENSE")
        )
        assert words[package["licence"]] in text
