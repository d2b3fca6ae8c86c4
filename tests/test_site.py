"""The pages as a site: made without a warning, whole, and of nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxrestore
from jaxrestore import degradations

ROOT = Path(__file__).parents[1]
# What a browser fetches by itself.
FETCHED = re.compile(r'<(?:script|link|img|iframe)[^>]* (?:src|href)="((?:https?:)?//)')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    command += ["-c", "docs", "-d", str(out / "doctrees"), ".", str(out / "html")]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return out / "html"


def test_every_page_is_on_the_site_and_fetches_nothing_from_elsewhere(site):
    pages = {page.relative_to(site): page.read_text() for page in site.rglob("*.html")}
    written = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    assert {p.relative_to(ROOT).with_suffix(".html") for p in written} <= {*pages}
    assert [name for name, page in pages.items() if FETCHED.search(page)] == []


def test_what_is_public_is_described_with_its_examples(site):
    page = (site / "docs" / "api.html").read_text()
    for name in {*jaxrestore.__all__} - {"__version__"}:
        kinds = ("", "module-")
        assert any(f'id="{kind}jaxrestore.{name}"' in page for kind in kinds), name
    for kind in degradations.kinds():
        assert f'id="jaxrestore.degradations.{kind}.degrade"' in page
    assert page.count("doctest") > 40
