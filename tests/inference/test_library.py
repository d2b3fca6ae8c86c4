import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxrestore
from jaxrestore import errors, images
from jaxrestore.inference import library, restorer, shipped


def _network(apply=lambda x: x[..., :3] / 2, **options):
    return restorer.Restorer(apply, options.pop("scale", 1), 1, "stand_in", **options)


def _values(*shape, dtype: type = np.uint8):
    found = np.random.default_rng(0).random(shape)
    if np.issubdtype(dtype, np.integer):
        found *= np.iinfo(dtype).max
    return found.astype(dtype)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_values_are_restored_with_the_depth_that_they_have(dtype, channels):
    image = _values(6, 9, channels, dtype=dtype)
    if channels in (2, 4):  # what stands under alpha 0 is not looked at
        image[..., -1] = np.maximum(image[..., -1], image[..., -1].mean())
    made = library.restore(image, _network())
    expected = image / 2
    if channels in (2, 4):
        expected[..., -1] = image[..., -1]
    assert made.dtype == dtype
    exact = 1 if dtype == np.uint8 else 1.01 if dtype == np.uint16 else 1e-6
    np.testing.assert_allclose(made, expected, atol=0.5 * exact)


def test_a_batch_and_a_list_are_restored_one_by_one():
    batch = _values(3, 6, 9, 3)
    made = library.restore(batch, _network())
    one = library.restore([batch[0], batch[1, :4]], _network())
    np.testing.assert_array_equal(made[0], one[0])
    assert one[1].shape == (4, 9, 3)


def test_pillow_and_jax_images_come_back_as_such_and_enlarged():
    doubled = _network(lambda x: x.repeat(2, 1).repeat(2, 2), scale=2)
    image = Image.fromarray(_values(6, 9, 3))
    made = library.restore(image, doubled)
    assert made.size == (18, 12) and made.mode == "RGB"
    found = library.restore(jnp.asarray(np.asarray(image)) / 255, doubled)
    assert isinstance(found, jnp.ndarray) and found.shape == (12, 18, 3)
    np.testing.assert_allclose(found, np.asarray(made) / 255, atol=1e-6)


def test_holes_are_filled_with_masks_of_every_kind(tmp_path):
    network = _network(lambda x: x[..., :3], takes=("rgb", "mask"))
    image, hole = _values(12, 15, 3), np.zeros((12, 15), bool)
    hole[3:7, 4:9] = True
    white = np.uint8(255) * hole
    images.encode(white[..., None], tmp_path / "mask.png")
    masks = [hole, white, white[..., None], Image.fromarray(white), jnp.asarray(hole)]
    expected = library.restore(image, network, mask=hole)
    assert (expected != image).any()
    np.testing.assert_array_equal(expected[~hole], image[~hole])
    masks += [Image.fromarray(white).convert(mode) for mode in ("RGB", "RGBA", "P")]
    for mask in [*masks, tmp_path / "mask.png", str(tmp_path / "mask.png")]:
        np.testing.assert_array_equal(
            library.restore(image, network, mask=mask), expected
        )
    clear = np.dstack([image, 255 - white])
    np.testing.assert_array_equal(
        library.restore(clear, network, mask="alpha"), expected
    )
    turned = hole[::-1]
    for two in (
        [hole, turned],
        np.stack([hole, turned]),
        np.stack([hole, turned])[..., None],
    ):
        both = library.restore(np.stack([image, image]), network, mask=two)
        np.testing.assert_array_equal(both[0], expected)
        assert (both[1] != expected).any()
    floats = library.restore(image / 255, network, mask=hole)
    np.testing.assert_array_equal(floats[~hole], (image / 255)[~hole])
    np.testing.assert_allclose(floats, expected / 255, atol=1 / 255)
    with pytest.raises(errors.ConfigError, match="3 masks for 2 images"):
        library.restore([image, image], network, mask=[hole] * 3)
    with pytest.raises(errors.ConfigError, match="a mask holds 2 pictures"):
        library.restore(image, network, mask=np.zeros((2, 12, 15, 1), bool))
    shares = []
    library.restore(image, network, mask=hole & False, progress=shares.append)
    assert shares == [1]


def test_progress_rises_to_1_and_what_it_raises_ends_the_work():
    seen = []
    library.restore(_values(2, 300, 9, 3), _network(), progress=seen.append, tile=160)
    assert len(seen) > 4 and seen == sorted(seen) and seen[-1] == 1

    class Cancelled(Exception):
        pass

    def cancel(share):
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        library.restore(_values(2, 300, 9, 3), _network(), progress=cancel, tile=160)


def test_what_a_string_names_is_a_task_and_else_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo").mkdir()
    assert library.load("photo").name == "photo"
    with pytest.raises(errors.MismatchError, match="photo is no run"):
        library.load(tmp_path / "photo")
    with pytest.raises(errors.UserError, match=r"mine\.safetensors"):
        library.load("mine.safetensors")
    with pytest.raises(errors.ConfigError, match="a task is NoneType, but must be"):
        library.load(None)
    assert library.load("denoise") is library.load("denoise")
    assert restorer.Restorer.load("denoise").name == "denoise"
    weights = shipped.path("denoise")
    assert library.load(str(weights)).takes == library.load(weights).takes == ("rgb",)
    with pytest.raises(errors.ConfigError, match="did you mean 'denoise'"):
        library.load("denoize")
    with pytest.raises(errors.UserError, match=r"none\.safetensors"):
        library.load(tmp_path / "none.safetensors")


def test_a_deep_image_is_restored_like_the_same_of_8_bits():
    noisy = _values(24, 32, 3)
    made = jaxrestore.restore(noisy, "denoise")
    deep = jaxrestore.restore(noisy.astype(np.uint16) * 257, "denoise")
    floats = jaxrestore.restore(noisy / np.float32(255), "denoise")
    np.testing.assert_allclose(deep / 257, made, atol=0.6)
    np.testing.assert_allclose(floats * 255, made, atol=0.6)


ALONE = """
import sys
import numpy as np
import jaxrestore
jaxrestore.restore(np.zeros((8, 8, 3), np.uint8), "denoise")
print(*sorted({"orbax", "grain", "matplotlib", "tensorstore"} & set(sys.modules)))
"""


def test_restoring_loads_no_library_of_training():
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
