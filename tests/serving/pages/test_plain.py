"""The pages without scripts: every flow but painting, by forms and links alone."""

import dataclasses
import io
import re
import time
import zipfile

import pytest
from PIL import Image
from serving import fake_engine, pictures_of
from serving.http import whole
from serving.pages import paged

EVIL = dataclasses.replace(
    fake_engine.DENOISE,
    name="evil",
    label="<script>alert(1)</script>",
    help='"><img src=x onerror=alert(1)>',
    why_not={"network": "<b>"},
    methods=("classical",),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    limits = {"owner_uploads": 1000, "max_bytes": 3 * 2**20, "max_side": 777}
    limits |= {"kept_s": 900.0, "records_days": 41, "max_pixels": 12_000_000}
    settings = whole.settings(tmp_path_factory.mktemp("served"), **limits)
    made = paged.app(settings, tasks=(*fake_engine.TASKS, EVIL))
    with paged.visitor(made) as client:
        yield made, client


@pytest.fixture
def client(served):
    return served[1]


def test_a_picture_is_uploaded_restored_compared_downloaded_rated_and_deleted(client):
    image = paged.uploaded(client, pictures_of.png(3), "a summer.png")
    job = paged.ordered(client, image, task="denoise")
    done = paged.ended(client, job)
    (png,) = re.findall(r'href="(/api/[^"]+png[^"]+)"', done.text)
    file = client.get(png.replace("&amp;", "&"))
    assert "a summer" in file.headers["content-disposition"]
    before = Image.open(io.BytesIO(pictures_of.png(3)))
    after = Image.open(io.BytesIO(file.content))
    assert after.tobytes() == before.point(lambda value: 255 - value).tobytes()

    second = paged.ordered(
        client, image, task="denoise", **{"denoise.method": "classical"}
    )
    paged.ended(client, second)
    both = client.get(f"/compare?a={job}&b={second}")
    assert both.status_code == 200 and both.text.count("result/preview") == 2
    alone = client.get(f"/compare?a=original&b={second}")
    assert f"images/{image}/preview" in alone.text
    assert client.get("/history").text.count("/jobs/") == 2

    rated = client.post(f"/jobs/{job}/feedback", data={"rating": "-1"})
    assert rated.headers["location"].endswith("rated=-1")
    client.post(f"/jobs/{second}/delete")
    assert client.get(f"/jobs/{second}").status_code == 410
    gone = client.post(f"/images/{image}/delete")
    assert "deleted" in client.get(gone.headers["location"]).text
    assert client.get(f"/jobs/{job}").status_code == 410


def test_a_hole_is_filled_by_a_mask_file_and_asked_for_where_it_is_missing(client):
    image = paged.uploaded(client, pictures_of.png(5))
    without = client.post(f"/edit/{image}", data={"task": "inpaint"})
    assert without.status_code == 422 and "mask file" in without.text
    assert re.search(r'value="inpaint"[^>]* checked', without.text)
    mask = Image.new("L", (24, 16))
    mask.paste(255, (0, 0, 8, 16))
    files = {"mask": ("mask.png", pictures_of.saved(mask, "PNG"))}
    job = paged.ordered(client, image, files, task="inpaint")
    paged.ended(client, job)
    file = client.get(f"/api/v1/jobs/{job}/result")
    before, after = pictures_of.array(5), Image.open(io.BytesIO(file.content))
    assert after.getpixel((20, 8)) == tuple(before[8, 20])
    assert after.getpixel((2, 8)) == tuple(255 - before[8, 2])


def test_a_page_of_a_job_that_waits_asks_again_without_scripts_and_can_cancel(served):
    made, client = served
    engine = made.state.service.engine
    image = paged.uploaded(client, pictures_of.png(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "delay", 60)
        job = paged.ordered(client, image, task="denoise")
        time.sleep(0.1)  # it is begun
    waits = client.get(f"/jobs/{job}")
    assert '<noscript><meta http-equiv="refresh"' in waits.text
    assert "Waiting: 1st in line" in waits.text or "Working" in waits.text
    part = client.get(f"/jobs/{job}/standing").text
    assert "data-say" in part and "<html" not in part
    refused = client.post(f"/jobs/{job}/stop")
    assert refused.status_code == 409 and "problem" in refused.text
    client.post(f"/jobs/{job}/cancel")
    assert "Cancelled" in paged.ended(client, job).text


def test_the_stream_of_a_job_ends_with_its_last_word(client):
    image = paged.uploaded(client, pictures_of.png(1))
    job = paged.ordered(client, image, task="denoise")
    stream = client.get(f"/jobs/{job}/live")
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = re.findall("^data: (.*)$", stream.text, re.M)
    assert "data-final" in events[-1] and "Done" in events[-1]
    missing = client.get(f"/jobs/{'0' * 32}/live")
    assert missing.status_code == 404


def test_a_zip_and_many_files_become_batches(client):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("first.png", pictures_of.png(1))
        made.writestr("notes.txt", "no picture")

    for files in (
        [("file", ("all.zip", packed.getvalue()))],
        [("file", (f"{n}.png", pictures_of.png(n))) for n in (1, 2)],
    ):
        sent = client.post("/batch", data={"task": "denoise"}, files=files)
        assert sent.status_code == 303, sent.text
        place = sent.headers["location"]
        for _ in range(100):
            page = client.get(place).text
            if "result.zip" in page:
                break
            time.sleep(0.05)
        (address,) = re.findall(r'href="(/api/[^"]+\.zip)"', page)
        whole_zip = client.get(address)
        names = zipfile.ZipFile(io.BytesIO(whole_zip.content)).namelist()
        assert "manifest.csv" in names
        assert len(names) == (2 if len(files) == 1 else 3)
    assert "notes" not in page
    client.post(f"{place}/delete")
    assert client.get(place).status_code in (404, 410)
    mixed = [("file", ("a.zip", packed.getvalue())), ("file", ("b.png", b"x"))]
    refused = client.post("/batch", data={"task": "denoise"}, files=mixed)
    assert refused.status_code == 422 and "zip file alone" in refused.text


def test_of_many_pictures_one_that_is_none_is_left_out_by_name(tmp_path):
    few = whole.settings(tmp_path, owner_uploads=2)
    files = [("file", (f"{n}.png", pictures_of.png(n))) for n in range(3)]
    files.append(("file", ("bad.png", b"no picture")))
    with paged.visitor(paged.app(few)) as client:
        sent = client.post("/batch", data={"task": "denoise"}, files=files)
        assert sent.status_code == 303, sent.text
        place = sent.headers["location"]
        found = client.get(place).text
        client.post(f"{place}/delete")  # one batch at once
        assert "bad.png" in found and "The upload is no" in found
        none = client.post("/batch", data={"task": "denoise"}, files=files[3:])
        assert none.status_code == 422 and "bad.png" in none.text


def test_what_is_refused_is_said_on_the_page_it_came_from(client):
    nothing = client.post("/", files={"file": ("", b"")})
    assert nothing.status_code == 422 and "Choose a picture" in nothing.text
    wrong = client.post("/", files={"file": ("x.png", b"no picture")})
    assert wrong.status_code == 415 and 'name="file"' in wrong.text
    image = paged.uploaded(client, pictures_of.png(1))
    alone = client.post(f"/edit/{image}", data={"task": "nothing"})
    assert alone.status_code == 422 and 'name="task"' in alone.text
    odd = {"task": "denoise", "denoise.strength": "<b>"}
    odd = client.post(f"/edit/{image}", data=odd)
    assert odd.status_code == 422 and "<b>" not in odd.text
    nowhere = client.get("/nowhere")
    assert nowhere.status_code == 404 and "<html" in nowhere.text
    itself = client.get("/compare?a=original&b=original")
    assert itself.status_code == 422


def test_a_page_says_when_to_ask_again(served):
    made, client = served
    image = paged.uploaded(client, pictures_of.png(1))
    order = {"data": {"task": "denoise"}, "files": {"mask": ("", b"")}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.state.service.engine, "delay", 60)
        for _ in range(made.state.settings.owner_jobs):
            assert client.post(f"/edit/{image}", **order).status_code == 303
        refused = client.post(f"/edit/{image}", **order)
    client.post(f"/images/{image}/delete")
    assert refused.status_code == 429 and "Try again in" in refused.text
    assert int(refused.headers["retry-after"]) > 0


def test_pages_say_what_settings_are(client):
    start, privacy = client.get("/"), client.get("/privacy")
    assert "up to 3 MB" in start.text and "12 megapixels" in start.text
    assert "777 px a side" in start.text and "15 min" in start.text
    assert "15 min" in privacy.text and "41 days" in privacy.text
    assert "24 h" in privacy.text


def test_the_page_on_privacy_names_a_study_where_there_is_one(client, tmp_path):
    made = paged.app(whole.settings(tmp_path, study=tmp_path))
    with paged.visitor(made) as other:
        assert "Answers to the" in other.get("/privacy").text
    assert "Answers to the" not in client.get("/privacy").text


@pytest.mark.parametrize("count", [1, 2, 7, 90, 366])
def test_the_plot_of_records_holds_any_number_of_days(served, count):
    made, client = served
    days = [{"day": f"2026-01-{n:02}", "done": n, "failed": 1} for n in range(count)]
    found = {"since": "a", "until": "b", "jobs": 3, "days": days}
    made.state.records = lambda asked: found
    page = client.get("/records").text
    (wide,) = re.findall(r'viewBox="0 0 (\d+) 132"', page)
    bars = re.findall(r'<rect class="done" x="([\d.]+)" [^>]*width="([\d.]+)"', page)
    assert len(bars) == count and all(float(width) >= 1 for _, width in bars)
    assert max(float(x) + float(width) for x, width in bars) <= int(wide) == 766


def test_16_bits_are_offered_where_the_upload_had_them(client):
    deep = pictures_of.png(2, dtype="uint16")

    image = paged.uploaded(client, deep)
    job = paged.ordered(client, image, task="denoise")
    page = paged.ended(client, job).text
    for label in ("TIFF, 16 bits", "PNG, 16 bits"):
        (place,) = re.findall(f'href="([^"]+)"[^>]*>{label}<', page)
        file = client.get(place.replace("&amp;", "&"))
        assert file.status_code == 200 and len(file.content) > 16 * 24 * 3 * 2 / 2


def test_names_from_outside_are_escaped(client):
    image = paged.uploaded(client, pictures_of.png(1), "<i>x</i>.png")
    job = paged.ordered(client, image, task="evil")
    paged.ended(client, job)
    for place in ("/", f"/edit/{image}", f"/jobs/{job}", "/batch", "/history"):
        text = client.get(place).text
        assert not re.search("<script>|<img src=x|<b>|<i>", text), place


INLINE = re.compile(
    r"<style|<[^>]*\s(?:style|on[a-z]+)=|<script(?![^>]*\ssrc=)|javascript:"
)
FOREIGN = re.compile(r"""(?:src|href|action)="(?!/|#|\?)""")


def test_no_page_holds_inline_scripts_or_styles_or_asks_elsewhere(client):
    image = paged.uploaded(client, pictures_of.png(1))
    job = paged.ordered(client, image, task="denoise")
    places = ["/", "/batch", "/history", "/privacy", "/nowhere", "/login"]
    places += [f"/edit/{image}", f"/jobs/{job}", f"/jobs/{job}/standing"]
    pages = [client.get(place) for place in places]
    pages.append(paged.ended(client, job))
    pages.append(client.get(f"/compare?a=original&b={job}"))
    for page in pages:
        found = INLINE.findall(page.text) + FOREIGN.findall(page.text)
        assert not found, (page.url, found)

    assert INLINE.search('<p style="x">') and INLINE.search("<script>1</script>")


@pytest.mark.parametrize("name", ["../routes.py", "%2e%2e/routes.py", "/etc/passwd"])
def test_static_files_are_those_of_the_folder_and_no_others(client, name):
    assert client.get(f"/static/{name}").status_code == 404
    there = client.get("/static/app.css")
    assert there.headers["content-type"].startswith("text/css")
    again = {"if-none-match": there.headers["etag"]}
    again = client.get("/static/app.css", headers=again)
    assert again.status_code == 304 and not again.content
    module = client.get("/static/page.js")
    assert module.headers["content-type"].startswith("text/javascript")
