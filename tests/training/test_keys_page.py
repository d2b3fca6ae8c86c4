import sys
from pathlib import Path

import pytest

from jaxrestore import config_keys
from jaxrestore.cli import app
from jaxrestore.training import keys_page

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def test_the_page_in_docs_is_the_one_the_table_gives():
    assert PAGE.read_text(encoding="utf-8") == keys_page.page(), (
        "write it anew: jaxrestore keys > docs/config.md"
    )


def test_the_command_prints_the_page(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["jaxrestore", "keys"])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert not end.value.code
    assert capsys.readouterr().out == keys_page.page()


def test_every_key_has_a_line_with_what_it_holds_and_its_unit():
    lines = keys_page.page().splitlines()
    for key in config_keys.KEYS:
        if key.holds == config_keys.SECTION:
            assert f"## `{key.name}`" in lines
            continue
        (line,) = [line for line in lines if line.startswith(f"| `{key.name}` |")]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        assert len(cells) == 5
        assert cells[3] == key.unit
        assert cells[4].startswith(key.meaning)
    assert "| `ema` | number, 0 to 0.999999 | `0.999` |" in keys_page.page()
    assert "| `data.colors` | `rgb`, `gray` | `'rgb'` |" in keys_page.page()
    assert "Since version 5." in keys_page.page()
