"""What people can do whose browser runs no scripts."""

import zipfile

import numpy as np
import pytest
from serving.browser import browsing
from serving.browser.browsing import HEIGHT, WIDTH

pytestmark = pytest.mark.slow
PLAIN = {"java_script_enabled": False}


@pytest.fixture(params=[*browsing.DEVICES])
def plain(request, chromium, server):
    """A page that runs no scripts."""
    with browsing.opened(chromium, server, request.param, **PLAIN) as page:
        yield page


def test_a_picture_is_restored_and_downloaded(plain):
    plain.goto("/")
    field = plain.locator("input[name=file]")
    field.set_input_files(browsing.file(browsing.picture()))
    plain.get_by_role("button", name="Upload").click()
    plain.wait_for_url("**/edit/*")
    browsing.choose(plain, "Fill holes")
    mask = browsing.file(browsing.mask(), "mask.png")
    plain.locator("input[name=mask]").set_input_files(mask)
    plain.get_by_role("button", name="Restore", exact=True).click()
    plain.get_by_role("link", name="PNG", exact=True).wait_for()  # by refresh
    assert plain.get_by_role("button", name="Side by side").count() == 0
    with plain.expect_download() as coming:
        plain.get_by_role("link", name="PNG", exact=True).click()
    found = np.asarray(browsing.Image.open(coming.value.path()))
    assert found.shape == (HEIGHT, WIDTH, 3)


def test_a_batch_is_sent_and_comes_back_as_one_file(plain):
    plain.goto("/batch")
    files = [browsing.file(browsing.picture(n), f"p{n}.png") for n in range(2)]
    plain.locator("input[name=file]").set_input_files(files)
    browsing.choose(plain, "Remove noise")
    plain.get_by_role("button", name="Restore all").click()
    plain.wait_for_url("**/batch/*")
    link = plain.get_by_role("link", name="Download result.zip")
    link.wait_for()  # by refresh
    with plain.expect_download() as coming:
        link.click()
    assert len(zipfile.ZipFile(coming.value.path()).namelist()) == 3
    plain.get_by_role("link", name="See it of p1").click()
    plain.get_by_role("button", name="Better", exact=True).click()
    plain.get_by_text("Thank you").wait_for()
    plain.get_by_role("button", name="Delete the picture").click()
    plain.get_by_text("were deleted").wait_for()


def test_what_is_refused_is_a_page(plain, made):
    plain.goto("/")
    field, send = plain.locator("input[name=file]"), plain.get_by_role("button")
    field.set_input_files(browsing.file(b"no picture", "notes.png"))
    send.get_by_text("Upload").click()
    plain.get_by_role("alert").get_by_text("The upload is no PNG").wait_for()
    large = bytes(made.state.settings.max_bytes + 2**21)
    field.set_input_files(browsing.file(large, "large.png"))
    send.get_by_text("Upload").click()
    plain.get_by_role("heading", name="That is too large").wait_for()
    plain.get_by_role("link", name="Restore a picture").click()
    plain.bad.clear()  # 415 and 413 are meant


def test_records_and_privacy_are_read(plain, made):
    made.state.records = lambda days: browsing.SUMMARY
    plain.goto("/records")
    plain.get_by_text("The numbers", exact=True).click()
    assert plain.get_by_role("cell", name="3 done, 1 failed, 1 refused").is_visible()
    plain.get_by_role("link", name="7 days").click()
    plain.wait_for_url("**/records?days=7")
    plain.get_by_role("link", name="Privacy").click()
    assert plain.get_by_role("cell", name="A cookie that").is_visible()


def test_forms_are_taken_also_without_tls_from_a_local_network(chromium, server):
    # There browsers send no Sec-Fetch-Site, and Origin as the page's policy has it.
    there = server.replace("127.0.0.1", browsing.LAN)
    with browsing.opened(chromium, there, "desktop", **PLAIN) as page:
        page.goto("/")
        field = page.locator("input[name=file]")
        field.set_input_files(browsing.file(browsing.picture()))
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url("**/edit/*")
        meant = "Cross-Origin-Opener-Policy"  # which counts with TLS alone
        page.bad[:] = [said for said in page.bad if meant not in said]
