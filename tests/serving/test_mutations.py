"""Uploads that are nearly pictures: each is taken, or refused with a reason."""

import asyncio
import collections
import random
import resource
import time
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving.pictures_of import array, chunks, png, run, running, saved

from jaxrestore import images
from jaxrestore.serving.refusals import Refusal


def corpus():
    """Small files of every format, and of many kinds of each."""
    exif = Image.Exif()
    exif[274], exif[271] = 6, "camera"
    colour, grey = (
        Image.fromarray(array(1)),
        Image.fromarray(array(1, channels=1)[..., 0]),
    )
    clear = Image.fromarray(array(2, channels=4))
    for picture in (colour, grey):
        for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"):
            yield saved(picture, format)
        yield saved(picture, "JPEG", progressive=True, exif=exif)
        yield saved(picture, "TIFF", compression="tiff_lzw")
        yield saved(picture, "TIFF", compression="tiff_deflate")
    for format in ("PNG", "WEBP", "TIFF", "AVIF"):
        yield saved(clear, format)
    yield saved(colour.quantize(16), "PNG")
    yield saved(colour.convert("CMYK"), "JPEG")
    yield saved(colour.convert("1"), "PNG")
    for channels in (1, 2, 3, 4):
        deep = array(3, channels=channels, dtype=np.uint16) * 257
        yield images.encoded(deep, ".png")
        yield images.encoded(deep, ".tif")


def mutated(rng, files):
    """One of the files, damaged in one of many ways."""
    file = bytearray(rng.choice(files))
    for _ in range(rng.choice([1, 1, 2, 8])):
        place, other = rng.randrange(len(file) + 1), rng.randrange(len(file) + 1)
        low, high = sorted((place, other))
        match rng.randrange(7):
            case 0 if place < len(file):
                file[place] ^= 1 << rng.randrange(8)
            case 1 if place < len(file):
                file[place] = rng.choice([0, 1, 127, 128, 255])
            case 2:
                file[place : place + 4] = rng.randbytes(4)
            case 3:
                del file[low : min(high, low + 64)]
            case 4:
                file = file[: max(place, 1)]
            case 5:
                file[place:place] = file[low : min(high, low + 256)]
            case _:  # a number of a header
                place = rng.randrange(min(len(file), 64))
                number = rng.choice([0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 5000])
                order = rng.choice(["big", "little"])
                file[place : place + 4] = number.to_bytes(4, order)
        file = file or bytearray(1)
    return bytes(file)


async def outcomes(service, seed, count):
    """How often each of so many uploads was answered how."""
    rng, files = random.Random(seed), [*corpus()]
    found = collections.Counter()

    async def upload(content):
        try:
            image = await service.add_image("me", chunks(content, 2**16))
        except Refusal as refusal:
            assert refusal.status in (413, 415, 422), refusal
            assert refusal.code and refusal.detail.endswith(".")
            assert str(service.settings.folder) not in refusal.detail
            found[f"{refusal.status} {refusal.code}"] += 1
        else:
            assert image.pixels <= service.settings.max_pixels
            await service.delete_image(image.id)
            found["taken"] += 1

    for _ in range(0, count, 8):
        contents = [mutated(rng, files) for _ in range(8)]
        await asyncio.gather(*map(upload, contents))
    return found


def uploads(folder, seed, count):
    async def within():
        limits: dict[str, Any] = {"owner_uploads": 10**9, "max_pixels": 1_000_000}
        async with running(folder, **limits) as service:
            found = await outcomes(service, seed, count)
            spool = service.settings.spool_folder
            left = [place for place in spool.rglob("*") if place.suffix == ".npy"]
            assert left == [] and [*(spool / "incoming").iterdir()] == []
            return found

    return run(within(), 600)


def test_files_that_are_nearly_pictures_are_answered(tmp_path):
    found = uploads(tmp_path, 0, 200)
    assert found["taken"] > 20 and found["422 unfit"] > 20
    assert found["422 unreadable"] == found["422 too_slow"] == 0, found


@pytest.mark.slow
def test_10_000_files_that_are_nearly_pictures_are_answered(tmp_path):
    seed = random.randrange(10**9)
    began = time.monotonic()
    found = collections.Counter()
    for part in range(10):
        found += uploads(tmp_path / str(part), seed + part, 1000)
    print(f"seed {seed}, {time.monotonic() - began:.0f} s, {dict(found)}")
    assert found.total() == 10_000
    assert found["422 unreadable"] == found["422 too_slow"] == 0, found


@pytest.mark.slow
def test_200_bombs_are_refused_and_the_server_does_not_grow(tmp_path):
    def bomb(rng):
        width, height = (int(10 ** rng.uniform(3.5, 5)) for _ in range(2))
        content = bytearray(png())
        content[16:24] = width.to_bytes(4) + height.to_bytes(4)
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
        return bytes(content)

    async def within():
        rng, found = random.Random(1), collections.Counter()
        async with running(tmp_path, owner_uploads=10**9) as service:
            began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for _ in range(200):
                with pytest.raises(Refusal) as refused:
                    await service.add_image("me", chunks(bomb(rng)))
                found[refused.value.code] += 1
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began
            print(dict(found), f"{grown} KiB")
            assert grown < 64 * 1024

    run(within(), 600)
