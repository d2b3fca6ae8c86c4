import itertools

import httpx
import pytest
from distant import TASKS, Distant, problem

from jaxrestore import errors
from jaxrestore.remote import server, tasks
from jaxrestore.serving.http.api import schemas


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(server.Server, "pause", lambda _, seconds: None)


def offered(distant):
    web = server.Server("http://localhost", transport=distant.transport)
    ticks = itertools.count()
    return tasks.asked(web, clock=lambda: 50.0 * next(ticks))


def test_the_tasks_of_a_server_are_those_that_it_tells():
    offer = offered(Distant(max_bytes=5))
    assert [*offer.tasks] == ["denoise", "inpaint", "deblur"] and offer.max_bytes == 5
    task = tasks.check(offer, "denoise", {"strength": 0.5}, masked=False)
    assert task.hashes == ("5e" * 32,) and task.methods == ("network",)
    assert tasks.check(offer, "inpaint", {}, masked=True).hashes == ()


def test_what_stands_in_for_a_server_says_what_one_says():
    told = schemas.Tasks.model_validate({"tasks": TASKS, "limits": {"max_bytes": 1}})
    assert [task.model_dump() for task in told.tasks] == TASKS


@pytest.mark.parametrize(
    ("name", "options", "masked", "message"),
    [
        ("denoize", {}, False, "does not have; did you mean 'denoise'"),
        ("deblur", {}, False, "cannot do deblur now .No weights ship"),
        ("inpaint", {}, False, "inpaint needs a mask, .*; give `mask`"),
        ("denoise", {}, True, "denoise takes no mask; leave `mask` out"),
        ("denoise", {"level": 25.0}, False, "`level` is nothing that denoise takes"),
        ("denoise", {"strength": 2.0}, False, "`strength` is 2.0; it is 0 to 1"),
    ],
)
def test_what_the_server_does_not_do_is_told_before_anything_is_sent(
    name, options, masked, message
):
    with pytest.raises(errors.ConfigError, match=message):
        tasks.check(offered(Distant()), name, options, masked=masked)


def test_a_choice_that_is_none_is_told_with_those_that_there_are():
    scale = {"enum": [2, 4]}
    steps = {"x-methods": ["prior"]}
    options = {"scale": scale, "iterations": steps}
    hashes = ("a", "b")
    methods = ("network", "prior")
    task = tasks.Task("sr", "Enlarge", methods, {}, options, False, hashes)
    assert tasks.fingerprint(task, None) == "a+b"
    offer = tasks.Offer({"sr": task}, 1.0)
    assert tasks.check(offer, "sr", {"scale": 4}, masked=False) == task
    with pytest.raises(errors.ConfigError, match="`scale` is 3; it is 2 or 4"):
        tasks.check(offer, "sr", {"scale": 3}, masked=False)
    assert tasks.check(offer, "sr", {"iterations": 9}, method="prior") == task
    with pytest.raises(errors.ConfigError, match="takes with the method network"):
        tasks.check(offer, "sr", {"iterations": 9})


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"tasks": [{}], "limits": {"max_bytes": 1}}),
        problem(500, "bug", "Something broke."),
    ],
)
def test_a_server_of_another_kind_is_told(answer):
    distant = Distant()
    distant.before = lambda request: answer
    with pytest.raises(errors.ServerError, match="with no list of tasks"):
        offered(distant)


def test_a_method_is_one_of_the_task_s_and_told_apart_from_the_others():
    offer = offered(Distant())
    task = tasks.check(offer, "inpaint", {}, method="prior", masked=True)
    assert tasks.fingerprint(task, "prior") == "inpaint by prior"
    assert tasks.fingerprint(task, None) == "inpaint by network"
    assert tasks.fingerprint(offer.tasks["denoise"], None) == "5e" * 32
    with pytest.raises(
        errors.ConfigError, match="cannot be 'classical': It is not off"
    ):
        tasks.check(offer, "inpaint", {}, method="classical", masked=True)
    with pytest.raises(errors.ConfigError, match="cannot be 'networks': did you mean"):
        tasks.check(offer, "inpaint", {}, method="networks", masked=True)


def test_a_server_that_begins_is_waited_for():
    distant, left = Distant(), [{"tasks": [], "limits": {"max_bytes": 1}}] * 3

    def before(request):
        return httpx.Response(200, json=left.pop()) if left else None

    distant.before = before
    assert "denoise" in offered(distant).tasks
    distant.before = lambda request: httpx.Response(
        200, json={"tasks": [], "limits": {"max_bytes": 1}}
    )
    with pytest.raises(errors.ServerError, match="not begun to work for 10 minutes"):
        offered(distant)
