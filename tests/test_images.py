import errno
import os
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, JpegImagePlugin
from written import save

from jaxrestore import errors, images

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (7, 5, 3), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (7, 5, 4), dtype=np.uint8)


def pixel_bomb(width, height):
    """A PNG's first chunks: a header of that size and nothing behind it."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header += bytes([8, 2, 0, 0, 0])
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = [header, data, b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4)
        for chunk in chunks
    )


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tiff", ".tif", ".PNG"])
def test_lossless_formats_give_back_the_very_pixels(tmp_path, suffix):
    images.encode(COLOUR, tmp_path / f"a{suffix}")
    decoded = images.decode(str(tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(decoded, COLOUR)
    assert decoded.flags.writeable and decoded.flags.c_contiguous
    assert images.decode_with_alpha(tmp_path / f"a{suffix}").shape[2] == 3


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_alpha_comes_back_and_decode_drops_it(tmp_path, suffix):
    images.encode(ALPHA, tmp_path / f"a{suffix}")
    decoded = images.decode_with_alpha(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(decoded, ALPHA)
    np.testing.assert_array_equal(
        images.decode(tmp_path / f"a{suffix}"), ALPHA[..., :3]
    )


@pytest.mark.parametrize("suffix", [".jpg", ".avif"])
def test_lossy_formats_are_near_and_have_full_size_colour(tmp_path, suffix):
    smooth = np.stack(np.broadcast_arrays(*np.ogrid[0:200:32j, 0:200:32j], 90), -1)
    smooth[::2, ::2, 0] += 50  # of which half as much colour leaves nothing
    images.encode(smooth.astype(np.uint8), tmp_path / f"a{suffix}")
    decoded = images.decode(tmp_path / f"a{suffix}").astype(float)
    assert np.abs(decoded - smooth).mean() < 3


def test_jpeg_has_full_size_colour_and_avif_alpha(tmp_path):
    images.encode(COLOUR, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4
    decoded = images.decode_with_alpha(images.encoded(ALPHA, ".avif"))
    assert decoded.shape == ALPHA.shape
    assert np.abs(decoded[..., 3].astype(int) - ALPHA[..., 3]).max() < 9


def test_one_channel_is_written_as_grey_and_read_as_three_equal_ones(tmp_path):
    images.encode(COLOUR[..., :1], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
    decoded = images.decode(tmp_path / "a.png")
    np.testing.assert_array_equal(decoded, COLOUR[..., :1].repeat(3, axis=2))


def test_encoded_bytes_decode_to_the_same_image():
    np.testing.assert_array_equal(images.decode(images.encoded(COLOUR, ".png")), COLOUR)


def test_contents_decide_and_not_the_name(tmp_path):
    (tmp_path / "a.jpg").write_bytes(images.encoded(COLOUR, ".png"))
    np.testing.assert_array_equal(images.decode(tmp_path / "a.jpg"), COLOUR)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_never_clipped(kind):
    values = np.array([[0, 128, 129, 257], [300, 32768, 65406, 65535]], np.uint16)
    decoded = images.decode(save(values, kind))
    expected = np.rint(values / 257.0)
    np.testing.assert_array_equal(decoded[..., 0], expected)
    np.testing.assert_array_equal(decoded[..., 2], expected)


def test_float_tiff_inside_0_to_1_is_read():
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    decoded = images.decode(save(values, "TIFF"))
    np.testing.assert_array_equal(decoded[0, :, 0], [0, 128, 255])


@pytest.mark.parametrize("bad", [-0.01, 1.5, np.nan, np.inf])
def test_float_tiff_outside_0_to_1_is_refused(bad):
    with pytest.raises(images.ImageError, match="expected 0 to 1"):
        images.decode(save(np.array([[0.5, bad]], np.float32), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(kind, orientation):
    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :8] = 255  # the stored top left corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}}.get(kind, {})
    decoded = images.decode(save(stored, kind, exif=exif, **options))
    # EXIF's table: where the stored first row and first column belong.
    expected = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored),
    }[orientation]
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 5


def test_16_bit_grey_is_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.array([[0, 65535, 257]], np.uint16)
    decoded = images.decode(save(values, exif=exif))
    np.testing.assert_array_equal(decoded[:, 0, 0], [0, 255, 1])


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr"])
def test_modes_without_alpha_become_rgb(mode):
    image = Image.fromarray(COLOUR).convert(mode)
    decoded = images.decode_with_alpha(save(image, "TIFF"))
    np.testing.assert_array_equal(decoded, np.array(image.convert("RGB")))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_with_alpha_becomes_rgba_and_is_stored_as_two_channels(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    images.encode(ALPHA[..., :2], path)
    decoded = images.decode_with_alpha(path)
    np.testing.assert_array_equal(decoded, ALPHA[..., [0, 0, 0, 1]])
    np.testing.assert_array_equal(images.decode_as_stored(path), ALPHA[..., :2])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_without_a_profile_that_knows_them_are_refused(kind):
    inks = Image.new("CMYK", (3, 2), (9, 60, 120, 0))
    for profile in (None, swapped_profile()):
        options = {} if profile is None else {"icc_profile": profile}
        with pytest.raises(images.ImageError, match="is CMYK, and no colour profile"):
            images.decode(save(inks, kind, **options))


@pytest.mark.filterwarnings("error")
def test_palette_with_transparency_becomes_rgba():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    one = images.decode_with_alpha(save(image, transparency=1))
    np.testing.assert_array_equal(one, [[[10, 20, 30, 255], [200, 100, 50, 0]]])
    table = images.decode_with_alpha(save(image, transparency=bytes([7, 99])))
    np.testing.assert_array_equal(table, [[[10, 20, 30, 7], [200, 100, 50, 99]]])


def test_srgb_profile_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    decoded = images.decode(save(COLOUR, icc_profile=profile))
    np.testing.assert_array_equal(decoded, COLOUR)
    decoded = images.decode_with_alpha(save(ALPHA, icc_profile=profile))
    np.testing.assert_array_equal(decoded, ALPHA)


def swapped_profile():
    """sRGB with the red and blue primaries' places exchanged: a visible profile."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ", 128), data.index(b"bXYZ", 128)
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data)


@pytest.mark.parametrize("source", [COLOUR, ALPHA])
def test_profile_is_brought_to_srgb(source):
    decoded = images.decode_with_alpha(save(source, icc_profile=swapped_profile()))
    order = [2, 1, 0, 3][: source.shape[2]]
    assert np.abs(decoded.astype(int) - source[..., order]).max() <= 1


@pytest.mark.parametrize(
    "profile", [b"no profile at all", swapped_profile()[:200], bytes(300)]
)
def test_a_broken_profile_is_left_out_and_told_once_a_file(profile, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.write_bytes(save(COLOUR, icc_profile=profile))
        with pytest.warns(errors.Notice) as told:
            for _ in range(3):
                # Which makes Python forget what it has shown.
                warnings.simplefilter("always")
                np.testing.assert_array_equal(images.decode(path), COLOUR)
        (notice,) = told
        assert str(notice.message).startswith(f"{path}: its ICC profile is broken or ")


def test_a_profile_of_another_colour_model_is_left_out_and_told(tmp_path):
    path = tmp_path / "grey.png"
    path.write_bytes(save(COLOUR[..., 0], icc_profile=swapped_profile()))
    with pytest.warns(errors.Notice, match=r"grey\.png: its ICC profile is .* sRGB"):
        decoded = images.decode(path)
    np.testing.assert_array_equal(decoded[..., 1], COLOUR[..., 0])


@pytest.mark.parametrize("profile", [None, swapped_profile()])
def test_a_profile_that_can_be_used_is_not_told(profile, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(save(COLOUR, icc_profile=profile))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.decode(path)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_animation_is_refused_with_its_frame_count(kind):
    frames = [Image.new("RGB", (8, 8), (90 * k, 0, 0)) for k in range(3)]
    data = save(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(images.ImageError, match="holds 3 frames"):
        images.decode(data)

    for frame in range(3):
        found = images.read(data, frame=frame).values
        assert np.abs(found.astype(int) - [90 * frame, 0, 0]).max() <= 4
    with pytest.raises(
        images.ImageError, match="`frame` is 3, and it holds 3 frames, the first"
    ):
        images.read(data, frame=3)


def test_of_an_animated_png_of_16_bits_the_first_frame_is_read():
    frames = [Image.fromarray(np.full((4, 6), n, np.uint16)) for n in (7_000, 40_000)]
    data = save(frames[0], save_all=True, append_images=frames[1:])
    assert (images.read(data, frame=0).values == 7_000).all()
    with pytest.raises(images.ImageError, match="PNG file of 16 bits the first"):
        images.read(data, frame=1)


def test_pages_have_sizes_and_bits_of_their_own(tmp_path):
    path, deep = tmp_path / "x.tif", np.array([[[9, 700, 65535]]], np.uint16)
    for page in (COLOUR, deep):
        tifffile.imwrite(path, page, append=True, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(images.read(path, frame=0).values, COLOUR)
    np.testing.assert_array_equal(images.read(path, frame=1).values, deep)
    assert images.left_behind(path, ".jpg", frame=1) == ["16 bits"]
    assert images.left_behind(path, ".jpg", frame=0) == []


def test_photograph_with_a_preview_is_no_animation():
    frames = [Image.new("RGB", (16, 16), (90 * k, 0, 0)) for k in range(2)]
    data = save(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert images.decode(data).shape == (16, 16, 3)
    assert images.read(data, frame=0).values.shape == (16, 16, 3)
    with pytest.raises(images.ImageError, match="it holds 1 frame, the"):
        images.read(data, frame=1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*images.FORMATS])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.5])
def test_truncated_file_is_refused_by_name(tmp_path, kind, share):
    data = save(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
    (tmp_path / "cut.png").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(images.ImageError, match=r"cut\.png: .*(replace|remove)"):
        images.decode(tmp_path / "cut.png")


@pytest.mark.filterwarnings("ignore")
def test_any_flipped_bytes_give_an_image_or_an_image_error():
    generator = np.random.default_rng(1)
    for kind in images.FORMATS:
        data = np.frombuffer(save(COLOUR, kind), np.uint8)
        for _ in range(60):
            damaged = data.copy()
            where = generator.integers(0, len(data), 3)
            damaged[where] = generator.integers(0, 256, 3)
            try:
                image = images.decode(damaged.tobytes(), max_pixels=10_000)
            except images.ImageError:
                continue
            assert image.dtype == np.uint8 and image.shape[2] == 3


@pytest.mark.parametrize(
    "data", [b"", b"<!DOCTYPE html>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P6 1 1 255 abc"]
)
def test_what_is_no_listed_format_is_refused(data):
    with pytest.raises(images.ImageError, match=rf"the {len(data)} bytes: .*no PNG"):
        images.decode(data)


def test_too_many_pixels_are_refused_from_the_header():
    with pytest.raises(images.ImageError, match="9000x9000 is more than"):
        images.decode(pixel_bomb(9000, 9000), max_pixels=1000)
    with pytest.raises(
        images.ImageError, match="header tells of more px than `max_pixels`"
    ):
        images.decode(pixel_bomb(60_000, 60_000))


def test_a_limit_above_pillow_s_own_raises_that(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(
        images.ImageError, match="header tells of more px than `max_pixels`"
    ):
        images.decode(save(COLOUR), max_pixels=20)
    np.testing.assert_array_equal(images.decode(save(COLOUR), max_pixels=40), COLOUR)


def test_no_bomb_warning_is_printed():
    script = (
        "import sys; from jaxrestore import images\n"
        "try: images.decode(sys.stdin.buffer.read())\n"
        "except images.ImageError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=pixel_bomb(10_000, 12_000),
        capture_output=True,
        check=True,
    )
    assert b"10000x12000 is more than `max_pixels`, 100,000,000" in done.stdout
    assert done.stderr == b""


def test_paths_that_are_no_files_are_refused_and_do_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "fifo.png"):
        with pytest.raises(images.ImageError, match="not a regular file"):
            images.decode(path)
    for path in (tmp_path / "broken.png", tmp_path / "absent.png"):
        with pytest.raises(images.ImageError, match="no such file"):
            images.decode(path)


@pytest.mark.parametrize(
    ("mode", "suffix", "grey"),
    [
        ("1", "png", True),
        ("L", "png", True),
        ("LA", "png", True),
        ("I;16", "png", True),
        ("F", "tiff", True),
        ("RGB", "png", False),
        ("P", "png", False),
        ("LA", "tiff", True),
    ],
)
def test_a_grey_file_is_one_of_one_channel_not_one_of_equal_channels(
    tmp_path, mode, suffix, grey
):
    file = tmp_path / f"x.{suffix}"
    Image.new(mode, (3, 2)).save(file)
    assert images.is_grey(file) is grey
    assert images.is_grey(str(file)) is grey


def test_image_error_has_the_exit_code_of_no_readable_input():
    assert images.ImageError("").exit_code == errors.NoInputError("").exit_code


def test_writing_refuses_unknown_suffixes_folders_and_lost_alpha(tmp_path):
    with pytest.raises(errors.UserError, match=r"suffix '.xyz'; use one of .avif"):
        images.encode(COLOUR, tmp_path / "a.xyz")
    with pytest.raises(errors.UserError, match="folder does not exist"):
        images.encode(COLOUR, tmp_path / "absent" / "a.png")
    for name in ("a.jpg", "a.bmp"):
        with pytest.raises(errors.UserError, match="keeps no alpha"):
            images.encode(ALPHA, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_writing_refuses_floats_and_five_channels(tmp_path):
    with pytest.raises((ValueError, TypeError)):
        images.encode(COLOUR / 255, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"got uint8\[7, 5, 5\]"):
        images.encode(COLOUR[..., [0, 1, 2, 0, 1]], tmp_path / "a.png")
    with pytest.raises(errors.UserError, match="keeps no alpha"):
        images.encode(ALPHA[..., :2], tmp_path / "a.jpg")


def test_a_file_is_an_image_by_its_first_bytes(tmp_path):
    images.encode(COLOUR, tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a")
    (tmp_path / "b.png").write_text("no picture")
    os.mkfifo(tmp_path / "fifo")
    names = ("a", "b.png", "fifo", "absent")
    assert [images.is_image(tmp_path / n) for n in names] == [True, False, False, False]


def test_what_is_left_behind_is_named(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    everything = {"exif": exif, "dpi": (300, 300), "icc_profile": swapped_profile()}
    deep = np.full((2, 3), 40_000, np.uint16)
    for name, data, suffix, expected in [
        ("a.png", save(COLOUR), ".png", []),
        ("b.jpg", save(COLOUR, "JPEG", **everything), ".png", []),
        (
            "b.jpg",
            save(COLOUR, "JPEG", comment=b"a boat", **everything),
            ".bmp",
            ["EXIF", "text", "a colour profile"],
        ),
        ("c.png", save(deep, dpi=(72, 72)), ".webp", ["16 bits"]),
        ("c.png", save(deep, dpi=(72, 72)), ".tif", []),
        ("d.tif", save(deep / 65535, "TIFF"), ".tif", ["32 bits"]),
    ]:
        (tmp_path / name).write_bytes(data)
        assert images.left_behind(tmp_path / name, suffix) == expected
        stripped = images.Writing(metadata=False, bits=8)
        assert images.left_behind(tmp_path / name, suffix, writing=stripped) == []


def test_failed_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    images.encode(COLOUR, tmp_path / "a.png")

    def fail(source, target):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(errors.DiskError, match="disk full"):
        images.encode(255 - COLOUR, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(images.decode(tmp_path / "a.png"), COLOUR)
