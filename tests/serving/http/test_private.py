"""What a whole server writes of its jobs tells of no picture and of nobody."""

import hashlib
import io
import ipaddress
import logging
import re
import zipfile

import httpx
import pytest
from PIL import Image
from serving import fake_engine, pictures_of
from serving.http import live, whole
from serving.pages import paged

from jaxrestore.serving import logs
from jaxrestore.serving.http import assembly, sessions

API = "/api/v1"
ADDRESS = "203.0.113.77"
TELLING = ("Ottilie", "Zwirnstrasse", "Lumix-Serial-4711", "Mosaik-Browser")
NAME = "Ottilie in der Zwirnstrasse"


def photograph():
    """A JPEG file that says who, where and with what."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Zwirnstrasse 4", "Ottilie"  # description, artist
    exif[0x9003] = "2026:11:28 08:00:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11, 34, 5)})
    exif.get_ifd(0x8769)[0xA431] = "Lumix-Serial-4711"
    picture = Image.fromarray(pictures_of.array(7, 40, 56))
    return pictures_of.saved(picture, "JPEG", exif=exif, comment=b"Ottilie")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server with all that is real but its engine, its folder and its log."""
    for name in ("jaxrestore", "uvicorn"):  # which the server leads to its log
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    engine = lambda settings, told: fake_engine.FakeEngine(told)
    monkeypatch.setattr(assembly, "Engine", engine)
    settings = whole.settings(tmp_path, proxies=("127.0.0.1",))
    said = io.StringIO()
    with live.served(settings, assembly.assembled(settings, logs.Log(said))) as port:
        yield f"http://127.0.0.1:{port}", tmp_path, said


def written(folder):
    """Every byte of the database, its log of writes and what else belongs to it."""
    files = sorted(folder.glob("records.sqlite*"))
    assert [file.name for file in files][:1] == ["records.sqlite"]
    return b"".join(file.read_bytes() for file in files)


def used(to):
    """Does all that leaves something behind; returns ids of an image and a job."""
    picture, name = photograph(), f"{NAME}.jpg"
    image = paged.uploaded(to, picture, name)
    job = paged.ordered(to, image, task="denoise")
    assert "Done" in paged.ended(to, job).text
    assert NAME in to.get(f"{API}/jobs/{job}/result").headers["content-disposition"]
    rating = {"rating": 1, "reason": "invented"}
    assert to.post(f"{API}/jobs/{job}/feedback", json=rating).status_code == 204
    mask = pictures_of.saved(Image.linear_gradient("L").resize((56, 40)), "PNG")
    holes = paged.ordered(to, image, {"mask": (name, mask)}, task="inpaint")
    assert "Done" in paged.ended(to, holes).text
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(name, picture)
        file.writestr(f"{NAME}.txt", "Ottilie")
    sent = to.post(
        f"{API}/batches?task=denoise",
        content=packed.getvalue(),
        headers={"content-type": "application/zip"},
    )
    assert f"{NAME}.txt" in sent.json()["skipped"], sent.text
    paged.ended(to, sent.json()["jobs"][0]["id"])
    for content in (picture[:300], b"Ottilie", b""):  # damaged, none, nothing
        files = {"file": (name, content)}
        refused = to.post(f"{API}/restore", data={"task": "denoise"}, files=files)
        assert 400 <= refused.status_code < 500
    assert to.get(f"/{NAME}").status_code == 404
    return image, job


def test_neither_the_records_nor_the_log_tell_of_a_picture_or_a_person(served, capfd):
    place, folder, said = served
    known = {"x-forwarded-for": ADDRESS, "user-agent": "Mosaik-Browser"}
    more = {"headers": {**paged.HTML, **known}, "timeout": 60}
    with httpx.Client(base_url=place, **more) as to:
        image, job = used(to)
        cookie = to.cookies[sessions.COOKIE]
    session, digest = cookie.partition(".")[0], hashlib.sha256(photograph())
    forbidden = [word.encode() for word in (*TELLING, ADDRESS, cookie, session)]
    forbidden += [bytes.fromhex(session), ipaddress.ip_address(ADDRESS).packed]
    forbidden += [digest.hexdigest().encode(), digest.digest()]
    out = capfd.readouterr()
    lines = f"{said.getvalue()}{out.out}{out.err}".encode()
    found = written(folder)
    assert b"inpaint" in found and job.encode() in found and b"invented" in found
    assert b'"status": "done"' in lines and job[:8].encode() in lines
    for words in forbidden:
        assert words not in found, words
        assert words not in lines, words
    # Results are fetched by ids, of which the log has beginnings alone.
    for id in (image, job):
        assert id.encode() not in lines
    assert not re.search(rb"[0-9a-f]{32}", lines)
