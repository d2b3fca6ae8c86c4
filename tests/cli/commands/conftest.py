import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore import images, networks
from jaxrestore.comparing import shipped as shipped_scores
from jaxrestore.inference import restorer, shipped
from jaxrestore.weights import cards, weight_files

GENERATOR = {"name": "fcn", "width": 4, "blocks": 1}


def _scores(psnr):
    return {"psnr": psnr, "ssim": 0.5}


def _judge(degradation, restorers, pictures):
    found = {name: _scores(30.0) for name in restorers}
    return {"input": _scores(20.0), **found}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Folder of shipped weights with a network for JPEG that does nothing."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(shipped, "_folder", lambda: folder)
    monkeypatch.setattr(shipped_scores, "judge", _judge)
    model = networks.build("Generator", GENERATOR)
    init = lambda images: model.init(jax.random.key(0), images, train=False)
    shapes = jax.eval_shape(init, jnp.zeros((1, 8, 8, 3)))
    both = _judge({}, ("classical", "ours"), "")
    rows = [{"level": level, **both} for level in shipped.task("jpeg").cases]
    rows[2]["ours"] = _scores(30.01)
    card = {
        "generator": GENERATOR,
        "task": "jpeg",
        "scale": 1,
        "colors": "rgb",
        "inputs": 3,
        "statistics": "eval",
        "license": "CC0-1.0",
        "scores": rows,
    }
    nothing = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    weight_files.write(folder / "jpeg.safetensors", nothing, card)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder of a colour and a grey picture and of a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    images.encode(pixels, folder / "colour.png")
    images.encode(pixels[..., :1], folder / "below" / "grey.png")
    return folder


@pytest.fixture
def halving(monkeypatch):
    """Every file of weights is a network that halves: `halving(takes=("gray",))`."""

    def make(apply=lambda x: x / 2, **options):
        network = restorer.Restorer(apply, 1, 1, "stand_in", **options)
        monkeypatch.setattr(restorer, "load_weights", lambda _: network)
        monkeypatch.setattr(cards, "fingerprint", lambda path, step=None: f"of {path}")

    make()
    return make
