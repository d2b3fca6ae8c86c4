"""How pictures come in: a click, a drop, a paste, a camera, a zip file."""

import io
import re
import zipfile

import pytest
from serving.browser import browsing

pytestmark = pytest.mark.slow

DROPPED = """async ([name, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
  const data = { bubbles: true, cancelable: true };
  if (KIND === 'paste') {
    const event = new ClipboardEvent('paste', { ...data, clipboardData: transfer });
    document.body.dispatchEvent(event);
    return;
  }
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    const event = new DragEvent(kind, { ...data, dataTransfer: transfer });
    document.getElementById('upload').dispatchEvent(event);
  }
}"""


def test_a_click_opens_the_files_and_what_is_chosen_is_sent(page):
    page.goto("/")
    with page.expect_file_chooser() as coming:
        page.get_by_label("Choose a picture").click()
    assert not coming.value.is_multiple()
    coming.value.set_files(browsing.file(browsing.picture()))
    page.wait_for_url("**/edit/*")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_comes_by_drop_or_paste(page, kind):
    page.goto("/")
    script = DROPPED.replace("KIND", f"'{kind}'")
    page.evaluate(script, ["a.png", list(browsing.picture())])
    page.wait_for_url("**/edit/*")


def test_a_phone_offers_its_camera(phone):
    phone.goto("/")
    camera = phone.locator("input[name=camera]")
    assert camera.get_attribute("capture") == "environment"
    assert phone.get_by_text("Take a photo").is_visible()
    camera.set_input_files(browsing.file(browsing.picture()))
    phone.wait_for_url("**/edit/*")


def test_a_desktop_offers_no_camera(desktop):
    desktop.goto("/")
    assert desktop.get_by_text("Choose a picture", exact=True).is_visible()
    assert not desktop.get_by_text("Take a photo").is_visible()


def test_what_is_no_picture_or_too_large_is_said_beside_the_button(page, made):
    page.goto("/")
    field = page.locator("input[name=file]")
    field.set_input_files(browsing.file(b"no picture", "notes.png"))
    page.get_by_text("This is no picture. The upload is no PNG").wait_for()
    large = b"\x89PNG" + bytes(made.state.settings.max_bytes)
    field.set_input_files(browsing.file(large, "large.png"))
    page.get_by_text("is more than the").wait_for()
    assert page.url.endswith("/")
    page.bad[:] = [said for said in page.bad if "415" not in said]  # it is meant


def test_a_zip_file_becomes_a_batch_that_says_of_each_file_what_became_of_it(page):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name in ("first.png", "second.png"):
            made.writestr(name, browsing.picture())
        made.writestr("third.png", b"no picture")
    page.goto("/batch")
    content = browsing.file(packed.getvalue(), "all.zip", "application/zip")
    page.locator("input[name=file]").set_input_files(content)
    page.get_by_text("all.zip, ").wait_for()
    browsing.choose(page, "Remove noise")
    page.get_by_role("button", name="Restore all").click()
    page.wait_for_url("**/batch/*")
    page.get_by_text("2 of 3 done, 1 not.").wait_for()
    assert page.get_by_role("row", name=re.compile("third.*no PNG")).is_visible()
    page.get_by_role("link", name="See it of second").click()
    browsing.done(page)
