import numpy as np
import pytest

from jaxrestore import images
from jaxrestore.collection import restoring, worker
from jaxrestore.inference import restorer

NAMES = ("a.png", "below/b.jpg", "below/c.png", "below/deeper/d.png", "e.png")


@pytest.fixture
def pictures(tmp_path):
    """A folder of five small pictures, the last of them damaged."""
    root, generator = tmp_path / "pictures", np.random.default_rng(0)
    for name in NAMES:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        images.encode(generator.integers(0, 256, (9, 12, 3), np.uint8), place)
    (root / NAMES[-1]).write_text("no picture")
    (root / "notes.txt").write_text("no picture")
    return root


@pytest.fixture
def halving(tmp_path, monkeypatch):
    """A file of weights; whatever it holds, they halve: `halving.loaded` counts."""
    place = tmp_path / "halving.safetensors"
    place.write_bytes(b"a half")

    def load(path):
        assert path == place
        load.loaded += 1
        return restorer.Restorer(lambda x: x / 2, 1, 1, "stand_in", ("rgb",))

    load.loaded, load.place = 0, place
    monkeypatch.setattr(restorer, "load_weights", load)
    return load


@pytest.fixture
def here():
    """Carries a plan out in this process, without Ray."""

    def carry(plan, job, table):
        for part in plan.parts:
            yield worker.Worker(job, table)(part.read_text().splitlines())

    return carry


@pytest.fixture
def restore(pictures, halving, here, tmp_path):
    """`restore(strength=1)`: what becomes of the pictures, in `tmp_path / "out"`."""

    def run(source=pictures, carry=here, **options):
        place = options.pop("weights", halving.place)
        out = tmp_path / "out"
        return restoring.restore(source, out, weights=place, carry=carry, **options)

    return run
