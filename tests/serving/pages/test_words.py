"""Numbers, states and options as pages say them."""

import dataclasses

import pytest
from serving import fake_engine

from jaxrestore.serving import values
from jaxrestore.serving.pages import dashboard, fields, shown, words

JOB = values.Job("0" * 32, "me", "1" * 32, "denoise", "network", 0.0, 60.0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.24, "0.2 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (65, "1 min 5 s"),
        (1800, "30 min"),
        (3900, "1 h 5 min"),
        (7200, "2 h"),
    ],
)
def test_durations(seconds, said):
    assert words.duration(seconds) == said


def test_estimates_promise_no_more_than_they_can():
    said = [words.remaining(s) for s in (0, 7, 38, 75, 100, 1000)]
    about = ["about 5 s", "about 40 s", "about 1 min", "about 1 min 30 s"]
    assert said == ["less than 5 s", *about, "about 17 min"]


def test_places_in_line():
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 101, 111)
    said = "1st 2nd 3rd 4th 11th 12th 13th 21st 101st 111th"
    assert " ".join(map(words.ordinal, numbers)) == said


def test_bytes_and_limits():
    assert words.amount(900) == "900 bytes" and words.amount(3_400_000) == "3.4 MB"
    assert words.limit(32 * 2**20) == "32 MB" and words.limit(2**19) == "512 kB"


def test_a_job_is_told_from_its_place_to_its_end():
    waits = dataclasses.replace(JOB, position=3, eta_s=41.0)
    assert words.standing(waits) == "Waiting: 3rd in line, about 40 s left."
    unsure = dataclasses.replace(JOB, position=2)
    assert words.standing(unsure) == "Waiting: 2nd in line."
    works = dataclasses.replace(JOB, status=values.Status.RUNNING, share=0.417)
    assert words.standing(works) == "Working: 42 % done."
    begun = dataclasses.replace(works, share=0.0, eta_s=20.0)
    assert words.standing(begun) == "Working: it has begun, about 20 s left."
    failed = dataclasses.replace(
        JOB, status=values.Status.FAILED, detail="The memory did not suffice."
    )
    assert words.standing(failed) == "Failed. The memory did not suffice."


def test_a_screen_reader_hears_quarters():
    works = dataclasses.replace(JOB, status=values.Status.RUNNING)
    said = {words.spoken(dataclasses.replace(works, share=n / 50)) for n in range(51)}
    assert len(said) == 4


OPTIONS = {
    "type": "object",
    "properties": {
        "level": {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 100},
                {"type": "null"},
            ],
            "default": None,
        },
        "strength": {"type": "number", "minimum": 0, "maximum": 1, "title": "Force"},
        "share": {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
        "scale": {"type": "integer", "enum": [2, 4], "default": 2},
        "ensemble": {"type": "boolean", "default": False, "x-methods": ["network"]},
        "iterations": {"type": "integer", "minimum": 1, "x-methods": ["prior"]},
    },
}
TASK = dataclasses.replace(fake_engine.DENOISE, options=OPTIONS)


def test_a_schema_becomes_fields():
    found = {field.option: field for field in fields.of_task(TASK)}
    kinds = {name: field.kind for name, field in found.items()}
    assert kinds == {
        "level": "number",
        "strength": "choice",
        "share": "range",
        "scale": "choice",
        "ensemble": "switch",
        "iterations": "number",
    }
    automatic = {name for name, field in found.items() if field.automatic}
    assert automatic == {"level", "strength", "iterations"}
    assert found["level"].most == 100 and found["strength"].label == "Force"
    assert found["scale"].choices == (("2", "2"), ("4", "4"))
    assert found["scale"].default == "2" and found["share"].default == "1"
    assert ("0.3", "30 %") in found["strength"].choices
    assert found["iterations"].step == "1"


def test_a_form_becomes_options_without_what_was_left_alone():
    form = {
        "denoise.level": " 25 ",
        "denoise.strength": "0.6",
        "denoise.share": "1",
        "denoise.scale": "2",
        "denoise.ensemble": "on",
        "denoise.iterations": "many",
        "other.level": "3",
    }
    both = {"level": 25, "strength": 0.6}
    assert fields.options(TASK, form) == {**both, "ensemble": True}
    assert fields.options(TASK, form, "prior") == {**both, "iterations": "many"}
    assert fields.options(TASK, {"denoise.level": ""}) == {}


def test_titles_tell_results_apart():
    options = {"strength": 0.6, "ensemble": True}
    job = dataclasses.replace(JOB, method="prior", options=options)
    title = shown.title(job, [TASK])
    assert title.startswith("Remove noise (fitted to this picture, force 60 %")
    assert shown.title(JOB, [TASK]) == "Remove noise"
    assert shown.title(JOB, []) == "denoise"


def test_the_dashboard_draws_days_and_leaves_out_empty_tables():
    days = [
        {"day": "2026-11-27", "done": 3, "failed": 1, "cancelled": 0, "expired": 0},
        {"day": "2026-11-28", "done": 0, "failed": 0, "cancelled": 0, "expired": 0},
    ]
    found = dashboard.bars(days)
    assert found["most"] == 4
    first, second = found["bars"]
    assert (first["done"], first["other"]) == (75, 25)
    assert first["said"] == "3 done, 1 failed" and second["said"] == "nothing"
    rows = [{"code": "device_oom", "jobs": 1, "share": 0.25}]
    (table,) = dashboard.tables({"errors": rows, "speed": []}, {})
    assert table["rows"] == [["device_oom", "1", "25.0 %"]]
