import pytest

from jaxrestore.inference import tiles


@pytest.mark.parametrize("side", [30, 52, 77, 120])
def test_what_is_kept_of_tiles_covers_a_side_once(side):
    side = -(-side // 4) * 4  # as restoring pads it
    spans = tiles.spans(side, tile=30, overlap=5, multiple=4)
    kept = [span.kept(1) for span in spans]
    places = [
        span.start + place
        for span, part in zip(spans, kept, strict=True)
        for place in range(part.start, part.stop)
    ]
    assert places == list(range(side))
    assert {span.stop - span.start for span in spans} == {32}
    assert all(span.start % 4 == 0 for span in spans)


def test_what_is_kept_is_enlarged_with_the_network():
    first, second = tiles.spans(48, tile=32, overlap=8, multiple=1)
    # The second begins at 16, and 8 px further is the seam.
    assert first == (0, 32, 0, 24) and second == (16, 48, 24, 48)
    assert first.kept(2) == slice(0, 48) and second.kept(2) == slice(16, 64)
