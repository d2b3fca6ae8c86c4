"""One walk through the pages in a browser, which every run of the tests makes."""

from serving.browser import browsing


def test_a_picture_is_restored_in_a_browser_that_reaches_only_us(desktop):
    browsing.upload(desktop)
    browsing.choose(desktop, "Remove noise")
    job = browsing.restore(desktop)
    browsing.done(desktop)
    before = browsing.pictures_of.array(0, height=browsing.HEIGHT, width=browsing.WIDTH)
    assert (browsing.result(desktop, job) == 255 - before).all()


def test_the_page_of_a_picture_goes_on_once_there_are_networks(desktop, made):
    engine = made.state.service.engine
    tasks, engine.tasks = engine.tasks, ()
    browsing.upload(desktop)
    desktop.get_by_text("This page goes on by itself.").wait_for()
    engine.tasks = tasks
    browsing.choose(desktop, "Remove noise")


def test_a_picture_larger_than_the_window_fills_the_place_that_is_painted_on(desktop):
    browsing.upload(desktop, browsing.pictures_of.png(0, height=600, width=40))
    box = "(found) => Object.values(found.getBoundingClientRect().toJSON())"
    place, picture = (desktop.locator(f".stage{part}") for part in ("", " img"))
    picture.wait_for()
    assert picture.evaluate(box) == place.evaluate(box)
