"""One walk through the pages in a browser, which every run of the tests makes."""

from serving.browser import browsing


def test_a_picture_is_restored_in_a_browser_that_reaches_only_us(desktop):
    browsing.upload(desktop)
    browsing.choose(desktop, "Remove noise")
    job = browsing.restore(desktop)
    browsing.done(desktop)
    before = browsing.pictures_of.array(0, height=browsing.HEIGHT, width=browsing.WIDTH)
    assert (browsing.result(desktop, job) == 255 - before).all()
