import pytest

from jaxrestore import errors
from jaxrestore.image_files import formats


@pytest.mark.parametrize(
    ("asked", "suffix"),
    [(None, ".png"), ("jpg", ".jpg"), ("JPEG", ".jpg"), ("tif", ".tif")],
)
def test_a_format_may_be_called_as_its_files_are(asked, suffix):
    writing = formats.Writing(asked)
    assert writing.suffix == suffix
    assert suffix in formats.check(writing, suffix).suffixes


@pytest.mark.parametrize("asked", ["gif", ".png", "jpeg2000"])
def test_another_format_is_told(asked):
    with pytest.raises(errors.ConfigError, match="there are avif, bmp"):
        _ = formats.Writing(asked).suffix
