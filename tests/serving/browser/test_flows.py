"""All flows in Chromium, on a desktop and on a phone; slow, for the browser is."""

import io
import re
import zipfile

import numpy as np
import pytest
from serving.browser import browsing
from serving.browser.browsing import HEIGHT, WIDTH

from jaxrestore import images

pytestmark = pytest.mark.slow


def test_a_task_without_weights_is_shown_with_the_reason(page):
    browsing.upload(page)
    assert page.get_by_role("radio", name="Sharpen", exact=True).is_disabled()
    assert page.get_by_text("Not at hand: No weights for it ship.").is_visible()
    browsing.choose(page, "Enlarge")
    assert page.get_by_text("Classical method does it instead.").is_visible()
    assert not page.locator("#tools").is_visible()


def test_options_and_strength_go_with_the_job(page):
    browsing.upload(page)
    browsing.choose(page, "Remove noise")
    page.get_by_label("Level").fill("25")
    page.get_by_label("Strength").press("ArrowLeft")
    page.get_by_text("Strength 95 %").wait_for()
    assert not page.get_by_label("Iterations").is_visible()
    page.get_by_role("radio", name="Fitted to this picture").first.check()
    assert page.get_by_label("Iterations").is_visible()
    page.get_by_role("radio", name="Trained network").first.check()
    browsing.restore(page)
    browsing.done(page)
    assert page.get_by_text("95 %", exact=True).is_visible()
    assert page.get_by_text("25", exact=True).is_visible()


def test_a_refusal_leaves_the_form_as_it_is(desktop):
    browsing.upload(desktop)
    browsing.choose(desktop, "Fill holes")
    desktop.get_by_role("button", name="Restore", exact=True).click()
    desktop.get_by_role("alert").get_by_text("Paint over").wait_for()
    assert "/edit/" in desktop.url
    desktop.bad[:] = [said for said in desktop.bad if "422" not in said]  # it is meant


def test_a_job_waits_in_line_works_and_is_cancelled(page, made):
    engine = made.state.service.engine
    image = browsing.upload(page)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "delay", 60)
        browsing.choose(page, "Remove noise")
        first = browsing.restore(page)
        page.get_by_text("Working:").wait_for()
        page.goto(f"/edit/{image}")
        browsing.choose(page, "Remove noise")
        browsing.restore(page)
        page.get_by_text("Waiting: 1st in line").wait_for()
        assert page.locator("#said").text_content() in ("", "Waiting, 1st in line")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled.").wait_for()
        page.goto(f"/jobs/{first}")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled.").wait_for()


def test_a_job_says_how_much_is_done_and_an_honest_time_left(page, made):
    browsing.upload(page)
    browsing.choose(page, "Remove noise")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.state.service.engine, "delay", 20)
        patch.setattr(made.state.service.engine, "steps", 20)
        browsing.restore(page)
        told = re.compile(r"Working: (5|10|15) % done, about (15|20) s left\.")
        page.get_by_text(told).wait_for()
        share = page.get_by_role("progressbar").evaluate("bar => bar.value")
        assert 0.05 <= share <= 0.15
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled.").wait_for()


def test_progress_comes_also_where_streams_do_not(desktop):
    desktop.route("**/live", lambda route: route.abort())
    browsing.upload(desktop)
    browsing.choose(desktop, "Remove noise")
    browsing.restore(desktop)
    browsing.done(desktop)
    desktop.bad[:] = [said for said in desktop.bad if "ERR_FAILED" not in said]


def test_a_fit_is_watched_and_stopped(page, made):
    engine = made.state.service.engine
    browsing.upload(page)
    browsing.choose(page, "Remove noise")
    page.get_by_role("radio", name="Fitted to this picture").first.check()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "delay", 300)
        patch.setattr(engine, "steps", 1000)
        job = browsing.restore(page)
        image = page.locator("#standing .so-far img")
        image.wait_for()
        seen = image.get_attribute("src")
        assert image.evaluate("image => image.naturalWidth") == WIDTH
        browsing.until(
            page,
            "seen => document.querySelector('#standing .so-far img').src !== seen",
            seen,
        )
        page.get_by_role("button", name="Stop here").click()
        browsing.done(page)
    assert browsing.result(page, job).shape == (HEIGHT, WIDTH, 3)


def test_before_and_after_are_moved_by_keys_and_hand_at_true_pixels(page):
    browsing.upload(page)
    browsing.choose(page, "Remove noise")
    browsing.restore(page)
    browsing.done(page)
    slider = page.get_by_role("slider", name="Boundary")
    assert slider.input_value() == "50"
    slider.focus()
    slider.press("ArrowRight")
    assert slider.input_value() == "50.5"
    assert slider.get_attribute("aria-valuetext").endswith("Before")
    box = page.locator(".panes").bounding_box()
    page.mouse.move(*_middle(page.locator(".divider").bounding_box()))
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert abs(float(slider.input_value()) - 25) < 2

    page.get_by_role("button", name="100 %").click()
    shown = page.locator(".after img").bounding_box()["width"]
    assert abs(shown * page.evaluate("devicePixelRatio") - WIDTH) < 1

    page.get_by_role("button", name="Side by side").click()
    panes = page.locator(".pane")
    boxes = [panes.nth(n).bounding_box() for n in (0, 1)]
    assert boxes[0]["x"] != boxes[1]["x"] or boxes[0]["y"] != boxes[1]["y"]
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    page.mouse.move(*_middle(boxes[0]))
    page.mouse.down()
    page.mouse.move(boxes[0]["x"] + 20, boxes[0]["y"] + 20, steps=3)
    page.mouse.up()
    where = "images => images.map((image) => image.style.transform)"
    first, second = page.locator(".pane img").evaluate_all(where)
    assert first == second and "scale" in first


def _middle(box):
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_fingers_move_the_boundary_and_zoom(phone):
    browsing.upload(phone)
    browsing.choose(phone, "Remove noise")
    browsing.restore(phone)
    browsing.done(phone)
    box = phone.locator(".panes").bounding_box()
    fingers = browsing.Fingers(phone)
    start = _middle(phone.locator(".divider").bounding_box())
    fingers.line(start, (box["x"] + box["width"] / 4, start[1]))
    slider = phone.get_by_role("slider", name="Boundary")
    assert abs(float(slider.input_value()) - 25) < 2
    scale = "document.querySelector('.after img').getBoundingClientRect().width"
    before, (x, y) = phone.evaluate(scale), _middle(box)
    fingers.put("touchStart", (x - 30, y + 40), (x + 30, y + 40))
    for far in range(38, 80, 8):
        fingers.put("touchMove", (x - far, y + 40), (x + far, y + 40))
    fingers.put("touchEnd")
    assert phone.evaluate(scale) > 1.5 * before


def test_16_bits_come_back_where_the_upload_had_them(page):
    values = browsing.pictures_of.array(0, HEIGHT, WIDTH, 1, dtype=np.uint16) * 257
    deep = images.encoded(values, ".png")
    browsing.upload(page, deep)
    browsing.choose(page, "Remove noise")
    browsing.restore(page)
    browsing.done(page)
    for label in ("PNG, 16 bits", "TIFF, 16 bits"):
        with page.expect_download() as coming:
            page.get_by_role("link", name=label, exact=True).click()
        found = images.read(coming.value.path()).values
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, 65535 - values)


def test_any_two_results_of_a_picture_are_compared(page):
    image = browsing.upload(page)
    browsing.choose(page, "Remove noise")
    first = browsing.restore(page)
    browsing.done(page)
    page.get_by_role("link", name="Another task on this picture").click()
    browsing.choose(page, "Enlarge")
    second = browsing.restore(page)
    browsing.done(page)
    page.get_by_role("link", name="Remove noise").click()
    browsing.done(page)
    assert f"a={first}" in page.url and f"b={second}" in page.url
    page.get_by_label("Left").select_option("original")
    page.get_by_role("button", name="Compare these").click()
    page.wait_for_url("**a=original**")
    browsing.done(page)
    assert image in page.locator(".before img").get_attribute("src")


def test_results_are_downloaded_rated_listed_and_deleted(page):
    browsing.upload(page)
    browsing.choose(page, "Remove noise")
    browsing.restore(page)
    browsing.done(page)
    for label, suffix in (("PNG", ".png"), ("JPEG", ".jpg"), ("WebP", ".webp")):
        with page.expect_download() as coming:
            page.get_by_role("link", name=label, exact=True).click()
        assert coming.value.suggested_filename.endswith(suffix)
        assert coming.value.failure() is None
    page.get_by_role("button", name="Better", exact=True).click()
    page.get_by_text("Thank you").wait_for()
    browsing.done(page)
    page.get_by_role("link", name="History").click()
    page.get_by_role("link", name="Remove noise").click()
    browsing.done(page)
    page.get_by_role("button", name="Delete the picture").click()
    page.get_by_text("were deleted").wait_for()
    page.get_by_role("link", name="History").click()
    page.get_by_text("There is nothing here").wait_for()


def test_a_batch_shows_each_file_and_is_one_download(page):
    page.goto("/batch")
    files = [browsing.file(browsing.picture(n), f"p{n}.png") for n in range(3)]
    page.locator("input[name=file]").set_input_files(files)
    page.get_by_text("3 files").wait_for()
    browsing.choose(page, "Remove noise")
    page.get_by_role("button", name="Restore all").click()
    page.wait_for_url("**/batch/*")
    page.get_by_text("3 of 3 done").wait_for()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download result.zip").click()
    names = zipfile.ZipFile(coming.value.path()).namelist()
    assert len(names) == 4 and "manifest.csv" in names


def test_true_pixels_of_a_large_picture(desktop):
    size = (2500, 1700)
    content = io.BytesIO()
    browsing.Image.effect_noise(size, 60).save(content, "JPEG")
    browsing.upload(desktop, content.getvalue())
    browsing.choose(desktop, "Remove noise")
    browsing.restore(desktop)
    browsing.done(desktop)
    natural = "images => images.map((image) => image.naturalWidth)"
    widths = desktop.locator(".pane img").evaluate_all(natural)
    assert widths == [size[0], size[0]]
