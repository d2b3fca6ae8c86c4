"""Painting a mask with a mouse, a pen and fingers, and what goes with the job."""

import numpy as np
import pytest
from serving import pictures_of
from serving.browser import browsing
from serving.browser.browsing import HEIGHT, WIDTH

pytestmark = pytest.mark.slow


def begun(page, size=12):
    """A picture with the task that asks for a mask; the brush has `size` px."""
    browsing.upload(page)
    browsing.choose(page, "Fill holes")
    slider = page.get_by_label("Brush size")
    slider.fill(str(size))
    page.get_by_text(f"{size} px", exact=True).wait_for()


def stroke(start, end, size):
    """Where a line of round ends is at least half a pixel inside, and outside."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    a, b = np.array(start, float), np.array(end, float)
    share = ((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / ((b - a) ** 2).sum()
    share = share.clip(0, 1)
    far = np.hypot(x - a[0] - share * (b - a)[0], y - a[1] - share * (b - a)[1])
    return far < size / 2 - 1.5, far > size / 2 + 1.5


def matches(found, start, end, size):
    """Whether a mask is that line, but for the pixels at its edge."""
    inside, outside = stroke(start, end, size)
    return found[inside].all() and not found[outside].any()


def test_a_line_is_as_wide_as_said_and_goes_with_the_job(page):
    begun(page)
    start, end = (40, 30), (120, 80)
    browsing.drag(page, start, end)
    found = browsing.painted(page)
    assert matches(found, start, end, 12)
    job = browsing.restore(page)
    browsing.done(page)
    before = pictures_of.array(0, height=HEIGHT, width=WIDTH)
    changed = (browsing.result(page, job) != before).any(axis=2)
    inside, outside = stroke(start, end, 12)
    assert changed[inside].mean() > 0.99 and not changed[outside].any()


def test_tools_undo_redo_erase_invert_and_clear(page):
    begun(page, 16)
    press = lambda name: page.get_by_role("button", name=name, exact=True).click()
    browsing.drag(page, (20, 20), (140, 20))
    browsing.drag(page, (20, 90), (140, 90))
    both = browsing.painted(page)
    press("Undo")
    one = browsing.painted(page)
    assert matches(one, (20, 20), (140, 20), 16) and both.sum() > 1.8 * one.sum()
    press("Redo")
    assert (browsing.painted(page) == both).all()
    page.keyboard.press("Control+z")
    assert (browsing.painted(page) == one).all()
    page.keyboard.press("Control+y")
    assert (browsing.painted(page) == both).all()
    press("Eraser")
    browsing.drag(page, (20, 20), (140, 20))
    rest = browsing.painted(page)
    assert matches(rest, (20, 90), (140, 90), 16)
    press("Invert")
    assert (browsing.painted(page) == ~rest).mean() > 0.99
    press("Clear")
    assert not browsing.painted(page).any()
    press("Undo")
    assert browsing.painted(page).any()


def test_keys_change_the_size_of_the_brush(desktop):
    begun(desktop, 20)
    size = desktop.get_by_label("Brush size")
    desktop.keyboard.press("]")
    assert int(size.input_value()) == 24
    desktop.keyboard.press("[")
    desktop.keyboard.press("[")
    assert int(size.input_value()) == 17


def test_lines_are_where_they_are_seen_when_the_picture_is_enlarged(page):
    begun(page, 8)
    for _ in range(4):
        page.locator("#zoom [data-zoom=in]").click()
    browsing.drag(page, (70, 60), (90, 60))
    assert matches(browsing.painted(page), (70, 60), (90, 60), 8)


def test_one_finger_draws_and_two_move_and_zoom(phone):
    begun(phone)
    phone.locator("#frame").scroll_into_view_if_needed()
    fingers = browsing.Fingers(phone)
    at = lambda x, y: browsing.place(phone, x, y)
    fingers.line(at(40, 40), at(120, 40))
    found = browsing.painted(phone)
    assert matches(found, (40, 40), (120, 40), 12)
    phone.locator("#frame").scroll_into_view_if_needed()
    zoom = phone.locator("#zoom output")
    before = zoom.text_content()
    left, right = at(60, 60), at(100, 60)
    fingers.put("touchStart", left)
    fingers.put("touchMove", (left[0] + 3, left[1]))
    fingers.put("touchStart", left, right)
    for step in range(1, 6):
        apart = (left[0] - 6 * step, left[1]), (right[0] + 6 * step, right[1])
        fingers.put("touchMove", *apart)
    fingers.put("touchEnd")
    assert int(zoom.text_content().split()[0]) > int(before.split()[0])
    assert (browsing.painted(phone) == found).all()  # the gesture has drawn nothing


def test_a_pen_draws(desktop):
    begun(desktop)
    session = desktop.context.new_cdp_session(desktop)

    def pen(start, end):
        for kind, where, held in (
            ("mousePressed", start, 1),
            ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):
            x, y = browsing.place(desktop, *where)
            event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": held}
            event |= {"pointerType": "pen", "clickCount": 1}
            session.send("Input.dispatchMouseEvent", event)

    pen((30, 60), (130, 60))
    assert matches(browsing.painted(desktop), (30, 60), (130, 60), 12)


# Chromium's protocol knows no eraser: events are made, of a pen that is not there and
# cannot be captured.
POINTS = """([steps, more]) => {
  const frame = document.getElementById('frame');
  frame.setPointerCapture = () => {};
  const pen = { bubbles: true, cancelable: true, pointerType: 'pen', pointerId: 7 };
  for (const [kind, clientX, clientY, here] of steps) {
    const event = { ...pen, clientX, clientY, ...more, ...here };
    if (kind === 'pointermove') event.button = -1;
    if (kind === 'pointerup') event.buttons = 0;
    frame.dispatchEvent(new PointerEvent(kind, event));
  }
}"""


def points(page, *steps, button=0, buttons=1, pressure=0.5):
    """Makes pointer events: each (kind, pixel of the picture) and what is its own."""
    page.locator("#frame").scroll_into_view_if_needed()
    made = [
        [f"pointer{kind}", *browsing.place(page, *where), dict(*more)]
        for kind, where, *more in steps
    ]
    page.evaluate(
        POINTS, [made, {"button": button, "buttons": buttons, "pressure": pressure}]
    )


def line(start, end):
    """The steps of a line, for `points`."""
    return ("down", start), ("move", end), ("up", end)


def test_the_other_end_of_a_pen_erases_and_nothing_is_moved(page):
    begun(page)
    browsing.drag(page, (20, 30), (140, 30))
    points(page, *line((20, 90), (140, 90)))
    assert browsing.painted(page)[30, 80]
    where = "document.querySelector('.stage').style.transform"
    before = page.evaluate(where)
    points(page, *line((20, 30), (140, 30)), button=5, buttons=32)
    assert matches(browsing.painted(page), (20, 90), (140, 90), 12)
    assert page.evaluate(where) == before
    brush = page.get_by_role("button", name="Brush", exact=True)
    assert brush.get_attribute("aria-pressed") == "true"
    points(page, *line((20, 30), (140, 30)))
    assert browsing.painted(page)[30, 80]


def test_the_button_of_a_pen_draws_and_moves_nothing(desktop):
    begun(desktop)
    where = "document.querySelector('.stage').style.transform"
    before = desktop.evaluate(where)
    points(desktop, *line((30, 60), (130, 60)), button=2, buttons=2)
    assert not browsing.painted(desktop).any()
    assert desktop.evaluate(where) == before


def test_a_line_is_as_wide_as_said_however_hard_the_pen_is_pressed(desktop):
    begun(desktop)
    points(desktop, *line((30, 60), (130, 60)), pressure=0.05)
    assert matches(browsing.painted(desktop), (30, 60), (130, 60), 12)


def test_a_hand_that_rests_beside_the_pen_draws_nothing(page):
    begun(page)
    hand = {"pointerType": "touch", "pointerId": 9}
    down, move, up = line((30, 60), (130, 60))
    rest = [(kind, (80, 100), hand) for kind in ("down", "move", "up")]
    points(page, down, *rest[:2], move, rest[2], up)
    assert matches(browsing.painted(page), (30, 60), (130, 60), 12)


def test_a_mask_file_is_shown_and_painted_on(page):
    begun(page)
    field = page.locator("input[name=mask]")
    field.set_input_files(browsing.file(browsing.mask(0, 40), "mask.png"))
    page.get_by_text("The mask is shown").wait_for()
    found = browsing.painted(page)
    assert found[:, :40].all() and not found[:, 40:].any()
    browsing.drag(page, (100, 60), (120, 60))
    more = browsing.painted(page)
    assert more[:, :40].all() and more[60, 110]
    wrong = pictures_of.png(0, height=7, width=9)
    field.set_input_files(browsing.file(wrong, "wrong.png"))
    page.get_by_text("The mask has 9").wait_for()
    assert (browsing.painted(page) == more).all()
