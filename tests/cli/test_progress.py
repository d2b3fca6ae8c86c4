import pytest

from jaxrestore.cli import progress


def test_time_is_said_in_minutes_and_under_half_a_minute_in_seconds():
    assert progress.clock(100.0) == "2 min" and progress.clock(20.0) == "20 s"


@pytest.mark.parametrize(
    ("pixels", "seconds", "said"),
    [
        (3_000_000, 2.0, "3 MP in 2 s, 1.5 MP/s"),
        (250, 0.5, "0.00025 MP in 0.5 s, 0.0005 MP/s"),
        (12_345_600_000, 3600.0, "12,346 MP in 3,600 s, 3.43 MP/s"),
        (100, 0.0, "0.0001 MP in 0 s, - MP/s"),
    ],
)
def test_speed_is_in_pixels(pixels, seconds, said):
    assert progress.speed(pixels, seconds) == said


def test_what_is_left_is_told_by_pixels(monkeypatch):
    lines, now = [], [0.0]
    monkeypatch.setattr(progress, "line", lines.append)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    meter = progress.Meter([2_000_000, 6_000_000])
    for seconds, tell in (
        (10, lambda: meter.within(0.5)),  # compiling was slow, and is not counted
        (11, meter.next),
        (11.05, lambda: meter.within(0.1)),  # too soon to be told
        (14, lambda: meter.within(0.5)),
        (17, meter.next),
    ):
        now[0] = float(seconds)
        tell()
    assert lines == [
        "0 of 2 images, 1 of 8 MP",
        "1 of 2 images, 2 of 8 MP, 1 MP/s, 6 s left",
        "1 of 2 images, 5 of 8 MP, 1 MP/s, 3 s left",
        "2 of 2 images, 8 of 8 MP, 1 MP/s, 0 s left",
    ]


def test_a_line_is_for_a_terminal_alone(capsys, monkeypatch):
    progress.line("x")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    progress.line("x")
    assert capsys.readouterr() == ("", "\r\x1b[Kx")
