"""Several pictures in, one zip file out."""

import csv
import io
import zipfile

import numpy as np
import pytest
from serving.pictures_of import array, chunks, decoded, png, run, running

from jaxrestore import errors
from jaxrestore.serving import archives
from jaxrestore.serving.refusals import Refusal
from jaxrestore.serving.values import Batch, Status


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


async def refused(coroutine):
    with pytest.raises(Refusal) as found:
        await coroutine
    return found.value


def with_service(**options):
    def of(test):
        def wrapped(tmp_path):
            async def within():
                async with running(tmp_path, **options) as service:
                    await test(service)

            run(within())

        wrapped.__name__ = test.__name__
        return wrapped

    return of


async def unpacked(service, batch, *arguments):
    """The files in a batch's zip file, and the lines of its manifest."""
    parts = [part async for part in service.batch_zip(batch.id, *arguments)]
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len({*names}) == len(names) and names[-1] == "manifest.csv"
        found = {name: archive.read(name) for name in names}
    text = found.pop("manifest.csv").decode()
    return found, [*csv.DictReader(io.StringIO(text))]


async def ended(service, batch):
    return [await service.wait(id, 10) for id in batch.jobs]


@with_service()
async def test_a_zip_file_goes_in_and_one_comes_out(service):
    members = [
        ("holiday/a.png", png(1)),
        ("other/a.png", png(2)),
        ("notes.txt", b"no picture"),
        (".DS_Store", b"nothing"),
        ("__MACOSX/a.png", b"nothing"),
        ("../../etc/=cmd().png", png(3)),
    ]
    batch = await service.add_batch("me", chunks(zipped(members)), "denoise")
    assert len(batch.jobs) == 3 and [*batch.skipped] == ["notes.txt"]
    assert "no PNG" in batch.skipped["notes.txt"]
    jobs = await ended(service, batch)
    assert {job.status for job in jobs} == {Status.DONE}
    assert {(job.source, job.batch_id) for job in jobs} == {("batch", batch.id)}
    assert await service.batch_jobs(batch.id) == jobs
    assert await service.batch(batch.id) == batch
    assert service.ledger.batches == {batch.id: batch}
    found, rows = await unpacked(service, batch)
    assert [*found] == [
        "a.denoise-network.png",
        "a.denoise-network (2).png",
        "cmd().denoise-network.png",
    ]
    for seed, content in enumerate(found.values(), 1):
        np.testing.assert_array_equal(decoded(content), 255 - array(seed))
    assert [row["status"] for row in rows] == ["done"] * 3 + ["skipped"]
    assert [row["file"] for row in rows] == [*found, ""]
    assert rows[0]["width"] == "24" and float(rows[0]["run_s"]) > 0
    assert "no PNG" in rows[3]["why"]
    jpegs, _ = await unpacked(service, batch, "jpeg")
    assert all(name.endswith(".jpg") for name in jpegs)


@with_service(slots=1, owner_jobs=1)
async def test_images_that_are_there_make_a_batch_beside_single_jobs(service):
    images = [await service.add_image("me", chunks(png(n))) for n in range(4)]
    ids = [image.id for image in images]
    batch = await service.add_batch("me", ids, "sr", options={"scale": 2})
    single = await service.add_job("me", ids[0], "denoise")
    told = await refused(service.add_batch("me", ids, "denoise"))
    assert (told.status, told.code) == (429, "own_batch")
    await ended(service, batch)
    assert (await service.wait(single.id, 10)).status == Status.DONE
    again = await service.add_batch("me", ids, "denoise")
    await ended(service, again)
    await service.delete_batch(again.id)
    assert (await refused(service.batch(again.id))).status == 404
    for id in ids:
        assert (await refused(service.image(id))).status == 404
    assert (await refused(service.job(single.id))).status == 410
    assert [*(service.settings.spool_folder / "jobs").iterdir()] == []


@with_service(slots=1)
async def test_a_batch_is_cancelled(service):
    service.engine.delay = 60.0
    image = await service.add_image("me", chunks(png(1)))
    batch = await service.add_batch("me", [image.id, image.id], "denoise")
    await service.cancel_batch(batch.id)
    jobs = await ended(service, batch)
    assert {job.status for job in jobs} == {Status.CANCELLED}
    found, rows = await unpacked(service, batch)
    assert found == {} and [row["status"] for row in rows] == ["cancelled"] * 2


@with_service(max_batches=1)
async def test_there_are_so_many_batches_at_once(service):
    service.engine.delay = 60.0
    image = await service.add_image("me", chunks(png(1)))
    await service.add_batch("me", [image.id], "denoise")
    told = await refused(service.add_batch("you", [image.id], "denoise"))
    assert (told.status, told.code) == (503, "too_many_batches")


BAD = {
    "unfit_zip": b"no zip file",
    "no_pictures": zipped([("a.txt", b"text")]),
    "too_large_zip": zipped([("a.png", bytes(5_000_000))]),
}


@with_service(max_batch_images=3)
async def test_a_zip_file_of_no_use_is_refused(service):
    many = zipped([(f"{n}.png", png(n)) for n in range(4)])
    for code, content in [*BAD.items(), ("too_large_zip", many)]:
        told = await refused(service.add_batch("me", chunks(content), "denoise"))
        assert told.code == code and told.status in (413, 422)
        assert str(service.settings.folder) not in told.detail
    told = await refused(service.add_batch("me", [], "denoise"))
    assert told.code == "batch_size"
    told = await refused(service.add_batch("me", chunks(b""), "inpaint"))
    assert told.code == "no_mask"
    spool = service.settings.spool_folder
    assert [*(spool / "incoming").iterdir()] == []
    assert [*(spool / "batches").iterdir()] == []


def test_what_lies_about_its_size_is_found_while_it_is_unpacked(tmp_path):
    content = bytearray(zipped([("a.png", bytes(100_000))]))
    place = content.index(b"PK\1\2") + 24  # the size, in the directory
    content[place : place + 4] = (10).to_bytes(4, "little")
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    (member,) = archives.listed(path, 10, 1000, 100)
    with pytest.raises(Refusal):
        archives.unpack(path, member.index, tmp_path / "out", 1000)
    assert not (tmp_path / "out").exists()


def test_no_cell_is_a_formula():
    rows = [{"a": "=1", "b": "-2"}, {"a": "@x", "b": 3}, {"c": "+4"}]
    read = [*csv.DictReader(io.StringIO(archives.table(rows).decode()))]
    assert [*read[0].values()] == ["'=1", "'-2", ""]
    assert [*read[1].values()] == ["'@x", "3", ""]
    assert [*read[2].values()] == ["", "", "'+4"]


@with_service(max_result_pixels=16 * 24 * 4)
async def test_pictures_of_a_zip_file_that_no_job_comes_of_are_not_kept(service):
    images = service.settings.spool_folder / "images"
    asked = ("sr", {"scale": 2})

    async def added(*members):
        content = chunks(zipped(members))
        return await service.add_batch("me", content, asked[0], options=asked[1])

    large = png(2, height=32)
    told = await refused(added(("a.png", large), ("b.png", large)))
    assert told.code == "result_too_large"
    assert await service.images("me") == [] == [*images.iterdir()]
    batch = await added(("a.png", png(1)), ("b.png", large))
    assert [*batch.skipped] == ["b"] and len(batch.jobs) == 1
    assert [one.stem for one in await service.images("me")] == ["a"]
    await ended(service, batch)


@with_service()
async def test_a_batch_that_cannot_be_written_down_leaves_nothing(service):
    keep = service._spool.keep

    def full(one):
        if isinstance(one, Batch):
            raise errors.DiskError("no space left")
        keep(one)

    mine = await service.add_image("me", chunks(png(3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service._spool, "keep", full)
        for given in ([mine.id], chunks(zipped([("a.png", png(1))]))):
            told = await refused(service.add_batch("me", given, "denoise"))
            assert (told.status, told.code) == (507, "disk_full")
    assert await service.images("me") == [mine]
    assert (await service.jobs("me"))[0] == []
