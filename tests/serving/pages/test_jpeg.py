"""What pages offer for JPEG files alone: results that keep to what the file says."""

import dataclasses

import pytest
from PIL import Image
from serving import fake_engine, pictures_of
from serving.http import whole
from serving.pages import paged

from jaxrestore.serving import values
from jaxrestore.serving.engine import offers
from jaxrestore.serving.pages import shown

CONFINE = {**offers.OPTIONS["confine"], "default": True}
TASK = dataclasses.replace(
    fake_engine.DENOISE,
    name=offers.CONFINED,
    label="Remove JPEG artefacts",
    options={
        "type": "object",
        "properties": {"confine": CONFINE},
        "additionalProperties": False,
    },
)
BOX = 'name="jpeg.confine"'


def saved(format, orientation=1):
    """A picture as a file, turned or not."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return pictures_of.saved(
        Image.fromarray(pictures_of.array()), format, exif=exif.tobytes()
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    settings = whole.settings(tmp_path_factory.mktemp("served"), owner_jobs=20)
    with paged.visitor(paged.app(settings, tasks=(TASK,))) as client:
        yield client


def test_to_keep_to_the_file_is_offered_where_it_does_something(client):
    jpeg = paged.uploaded(client, saved("JPEG"))
    assert f"{BOX} checked" in client.get(f"/edit/{jpeg}").text
    for content in (saved("PNG"), saved("WEBP"), saved("JPEG", orientation=6)):
        other = paged.uploaded(client, content)
        assert BOX not in client.get(f"/edit/{other}").text
    assert BOX in client.get("/batch").text  # any of its files may be one


def test_a_box_says_no_where_it_was_not_ticked_and_nothing_where_there_was_none(client):
    jpeg = paged.uploaded(client, saved("JPEG"))
    png = paged.uploaded(client, saved("PNG"))
    ticked = {"jpeg.confine": "on"}
    for image, form, asked in (
        (jpeg, {}, {"confine": False}),
        (jpeg, ticked, {}),
        (png, {}, {}),
        (png, ticked, {}),
    ):
        job = paged.ordered(client, image, task="jpeg", **form)
        assert client.get(f"/api/v1/jobs/{job}").json()["params"] == asked


def test_programs_may_ask_for_it_of_any_file_as_on_the_command_line(client):
    png = paged.uploaded(client, saved("PNG"))
    order = {"image_id": png, "task": "jpeg", "params": {"confine": True}}
    assert client.post("/api/v1/jobs", json=order).status_code == 202
    (task,) = client.get("/api/v1/tasks").json()["tasks"]
    said = task["params"]["properties"]["confine"]["description"]
    assert "of other kinds say nothing" in said


IMAGE = values.Image("1" * 32, "me", 8, 8, 3, 8, False, "PNG", 1, "", "", 0.0, 60.0)
JOB = values.Job("0" * 32, "me", "1" * 32, "jpeg", "network", 0.0, 60.0)


@pytest.mark.parametrize(
    ("format", "options", "confined", "said"),
    [
        ("PNG", {}, 0, None),
        ("PNG", {"confine": True}, 0, "was no JPEG file"),
        ("JPEG", {}, 0, "are turned, of inks"),
        ("JPEG", {"confine": True}, 1, None),
        ("JPEG", {"confine": False}, None, None),
    ],
)
def test_a_page_says_where_nothing_could_be_kept_to(format, options, confined, said):
    numbers = {} if confined is None else {"confined": confined}
    job = dataclasses.replace(JOB, options=options, numbers=numbers)
    found = shown.notices(job, dataclasses.replace(IMAGE, format=format))
    assert [said in one for one in found] == ([] if said is None else [True])


def test_what_was_switched_off_is_in_the_name_of_a_result():
    job = dataclasses.replace(JOB, options={"confine": False})
    title = "Remove JPEG artefacts (keep to the JPEG file: no)"
    assert shown.title(job, [TASK]) == title
