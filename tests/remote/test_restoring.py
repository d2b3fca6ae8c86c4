import io

import httpx
import numpy as np
import pytest
from distant import Distant, problem
from PIL import Image
from written import save

from jaxrestore import errors, images
from jaxrestore.remote import restoring, server

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
WANTED = restoring.Wanted("denoise", options={"strength": 0.5})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(server.Server, "pause", lambda _, seconds: None)


def restored(distant, wanted=WANTED, **options):
    web = server.Server("http://localhost", transport=distant.transport)
    content = restoring.restore(web, save(PIXELS), wanted, **options)
    return Image.open(io.BytesIO(content))


def test_a_picture_is_sent_waited_for_fetched_and_deleted():
    distant, shares = Distant(looks=4), []
    picture = restored(distant, progress=shares.append)
    np.testing.assert_array_equal(np.asarray(picture), 255 - PIXELS)
    assert shares == [0.0, 0.25, 0.5, 0.75] and distant.images == {}
    (job,) = distant.jobs.values()
    assert job["asked"]["task"] == "denoise"
    assert job["asked"]["params"] == {"strength": 0.5}
    assert "method" not in job["asked"]


def test_a_method_that_is_wanted_is_asked_for():
    distant = Distant()
    restored(distant, restoring.Wanted("denoise", "classical"))
    (job,) = distant.jobs.values()
    assert job["asked"]["method"] == "classical"


def test_a_mask_goes_along():
    mask = np.zeros((9, 12), np.uint8)
    mask[2:5, 3:7] = 255
    picture = restored(Distant(), restoring.Wanted("inpaint"), mask=save(mask))
    expected = np.where(mask[..., None] > 0, 255 - PIXELS, PIXELS)
    np.testing.assert_array_equal(np.asarray(picture), expected)


def test_the_result_has_the_format_and_the_quality_that_are_asked_for():
    distant = Distant()
    wanted = restoring.Wanted("denoise", format="jpeg", quality=30)
    assert restored(distant, wanted).format == "JPEG"
    asked = next(r for _, p, r in distant.heard if p.endswith("/result"))
    assert dict(asked.url.params) == {"format": "jpeg", "quality": "30"}


def test_what_a_server_has_lost_is_sent_again():
    """A server that is started anew in the middle knows neither picture nor job."""
    distant, seen = Distant(looks=3), []

    def forget(request):
        if request.method == "GET" and "/jobs/" in request.url.path:
            seen.append(request)
            if len(seen) == 2:
                distant.images.clear()
                distant.jobs.clear()

    distant.before = forget
    picture = restored(distant)
    np.testing.assert_array_equal(np.asarray(picture), 255 - PIXELS)
    assert distant.paths("POST") == ["images", "jobs"] * 2


def test_what_is_no_picture_was_not_lost():
    distant = Distant()
    distant.before = lambda _: problem(415, "no_image", "The upload is no picture.")
    with pytest.raises(images.ImageError, match=r"^The upload is no picture"):
        restored(distant)
    assert distant.paths("POST") == ["images"]


def test_a_job_that_its_engine_lost_is_given_again_three_times_at_most():
    distant = Distant()
    why = {"code": "engine_restarted", "detail": "The engine died twice."}
    distant._told = lambda id: {"id": id, "status": "failed", "error": why}
    with pytest.raises(
        images.ImageError, match=r"lost it 3 times .The engine died twic"
    ):
        restored(distant)
    assert distant.paths("POST") == ["images", "jobs"] * 3 and distant.images == {}


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (
            {
                "status": "failed",
                "error": {"code": "device_oom", "detail": "Too large."},
            },
            "Too large",
        ),
        ({"status": "cancelled", "error": None}, "says of it: cancelled"),
    ],
)
def test_a_job_that_fails_is_told_as_the_picture_s_fault(job, message):
    distant = Distant()
    distant._told = lambda id: {"id": id, **job}
    with pytest.raises(images.ImageError, match=message):
        restored(distant)
    assert distant.images == {}


def test_a_picture_that_is_refused_is_told_in_the_server_s_words():
    distant = Distant()
    distant.before = lambda r: problem(413, "too_large", "It has 50 MP; 40 at most.")
    with pytest.raises(images.ImageError, match="It has 50 MP; 40 at most"):
        restored(distant)


@pytest.mark.parametrize("answer", [{}, [], {"id": 3}, {"id": "a"}])
def test_answers_without_sense_are_no_bug(answer):
    distant = Distant()
    distant.before = lambda request: httpx.Response(200, json=answer)
    with pytest.raises(errors.ServerError, match="answers without"):
        restored(distant)
