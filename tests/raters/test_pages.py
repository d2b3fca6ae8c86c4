import base64
import collections
import itertools
import json
import re

import numpy as np
import pytest

from jaxrestore import errors, images
from jaxrestore.evaluation import folders
from jaxrestore.raters import pages as perceptual_pages

SIZE = 32
METHODS = ("gan", "l1", "none")


def _picture(seed):
    """A smooth pattern: blur changes it, and no two are the same."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3))
    return np.kron(coarse, np.ones((SIZE // 4, SIZE // 4, 1))).astype(np.uint8)


def _noisy(picture, amount):
    noise = np.random.default_rng(amount).normal(0, amount, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _write(folder, pictures):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, picture in pictures.items():
        images.encode(picture, folder / f"{stem}.png")
    return folder


@pytest.fixture
def places(tmp_path):
    """Eight images, restored by three methods, of which gan has the least noise."""
    targets = {f"image{i}": _picture(i) for i in range(8)}
    methods = {
        name: _write(
            tmp_path / name, {s: _noisy(p, amount) for s, p in targets.items()}
        )
        for name, amount in zip(METHODS, (4, 12, 36), strict=True)
    }
    return methods, _write(tmp_path / "targets", targets)


def _embedded(folder):
    page = (folder / "study.html").read_text("utf-8")
    (data,) = re.findall(
        r'<script type="application/json" id="data">(.*)</script>', page
    )
    return json.loads(data)


def _decoded(uri):
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return images.decode(base64.b64decode(data))


def test_each_question_shows_the_pictures_that_the_key_says(places, tmp_path):
    methods, targets = places
    key = perceptual_pages.make(tmp_path / "s", methods, targets, images=12)
    data = _embedded(tmp_path / "s")
    assert data["study"] == key["study"]
    assert [t["trial"] for t in data["trials"]] == [t["trial"] for t in key["trials"]]
    folders = {**methods, "target": targets}
    for asked, trial in zip(data["trials"], key["trials"], strict=True):
        for side in ("left", "right"):
            shown = _decoded(data["pictures"][asked[side]])
            if trial[side] == "blurred":
                assert trial["catch"]
                continue
            path = folders[trial[side]] / f"{trial['image']}.png"
            np.testing.assert_array_equal(shown, images.decode(path))


def test_the_page_loads_nothing_and_names_no_method(places, tmp_path):
    methods, targets = places
    perceptual_pages.make(tmp_path / "s", methods, targets, inputs=methods["none"])
    page = (tmp_path / "s" / "study.html").read_text("utf-8")
    # Base64 can spell any short word; only what is written beside the pictures counts.
    written = re.sub(r"data:image/png;base64,[\w+/=]*", "", page)
    assert "@DATA@" not in written and len(written) < 20_000
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<iframe", written)
    assert not re.search(r"<(script|img|link)[^>]*\s(src|href)=", written)
    assert "default-src 'none'" in written
    for word in (*METHODS, "catch", "blurred", "image0"):
        assert not re.search(rf"\b{word}\b", json.dumps(_embedded(tmp_path / "s"))), (
            word
        )
    data = _embedded(tmp_path / "s")
    assert set(data) == {"study", "question", "above", "trials", "pictures"}
    assert all(
        set(trial) == {"trial", "left", "right", "above"} for trial in data["trials"]
    )


def test_the_number_of_a_picture_does_not_tell_whose_it_is(places, tmp_path):
    key = perceptual_pages.make(tmp_path / "s", *places, images=24, catch=0)
    rows = zip(_embedded(tmp_path / "s")["trials"], key["trials"], strict=True)
    lower = [
        (t["left"], t["right"])[:: 1 if a["left"] < a["right"] else -1] for a, t in rows
    ]
    # Whichever two methods meet, either may have the lower number.
    for pair in itertools.combinations(METHODS, 2):
        assert {pair, pair[::-1]} <= set(lower)


@pytest.mark.parametrize("asked", [5, 8, 11, 24, 40])
def test_images_pairs_and_sides_are_balanced(places, tmp_path, asked):
    methods, targets = places
    key = perceptual_pages.make(tmp_path / "s", methods, targets, images=asked, catch=6)
    trials = [trial for trial in key["trials"] if not trial["catch"]]
    assert len(trials) == min(asked, 24)  # 8 images x 3 pairs
    cells = [(t["image"], frozenset((t["left"], t["right"]))) for t in trials]
    assert len(set(cells)) == len(cells)
    by_image = collections.Counter(image for image, _ in cells)
    by_pair = collections.Counter(pair for _, pair in cells)
    for counted, kinds in ((by_image, min(asked, 8)), (by_pair, 3)):
        assert len(counted) == kinds
        assert max(counted.values()) - min(counted.values()) <= 1
    sides = collections.Counter((t["left"], t["right"]) for t in key["trials"])
    for a, b in {tuple(sorted(pair)) for pair in sides}:
        assert abs(sides[a, b] - sides[b, a]) <= 1
    catches = [trial for trial in key["trials"] if trial["catch"]]
    assert len(catches) == 6
    assert all({t["left"], t["right"]} == {"target", "blurred"} for t in catches)


def test_three_times_as_many_images_as_pairs_leave_no_pair_and_image_together(
    places, tmp_path
):
    # Without the step to the next diagonal, six images would meet the same pair again.
    methods, targets = places
    for stem in ("image6", "image7"):
        (targets / f"{stem}.png").unlink()
    key = perceptual_pages.make(tmp_path / "s", methods, targets, images=18, catch=0)
    cells = {(t["image"], frozenset((t["left"], t["right"]))) for t in key["trials"]}
    assert len(cells) == 18
    assert {stem for stem in key["skipped"]} == {"image6", "image7"}


def test_the_same_command_makes_the_same_study_and_another_seed_another(
    places, tmp_path
):
    methods, targets = places
    made = [
        perceptual_pages.make(tmp_path / name, methods, targets, images=9, seed=seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    pages = [(tmp_path / name / "study.html").read_bytes() for name in "abc"]
    assert made[0] == made[1] and pages[0] == pages[1]
    assert made[0]["study"] != made[2]["study"]
    assert perceptual_pages.read_key(tmp_path / "a") == made[0]


def test_the_real_one_stands_beside_a_restoration_of_each_method(places, tmp_path):
    methods, targets = places
    key = perceptual_pages.make(
        tmp_path / "s", methods, targets, images=8, kind="real", catch=0
    )
    pairs = collections.Counter(
        frozenset((trial["left"], trial["right"])) for trial in key["trials"]
    )
    assert set(pairs) == {frozenset(("target", name)) for name in METHODS}
    assert sorted(pairs.values()) == [2, 3, 3]
    assert "real" in _embedded(tmp_path / "s")["question"]
    single = {"gan": methods["gan"]}
    key = perceptual_pages.make(tmp_path / "one", single, targets, kind="real")
    assert len(key["trials"]) == 8 + 4


def test_input_and_reference_stand_above(places, tmp_path):
    methods, targets = places
    perceptual_pages.make(
        tmp_path / "s", methods, targets, methods["none"], images=3, reference=True
    )
    data = _embedded(tmp_path / "s")
    key = perceptual_pages.read_key(tmp_path / "s")
    assert data["above"] == ["degraded input", "reference"]
    assert "reference" in data["question"]
    for asked, trial in zip(data["trials"], key["trials"], strict=True):
        above = [_decoded(data["pictures"][number]) for number in asked["above"]]
        for shown, folder in zip(above, (methods["none"], targets), strict=True):
            path = folder / f"{trial['image']}.png"
            np.testing.assert_array_equal(shown, images.decode(path))


def test_the_key_holds_the_metrics_of_the_images_shown(places, tmp_path):
    methods, targets = places
    images.encode(_picture(3), methods["gan"] / "image3.png")  # perfect
    key = perceptual_pages.make(tmp_path / "s", methods, targets, images=8)
    assert len(key["images"]) == 8
    scored = {
        (row["image"], name): row
        for name, folder in methods.items()
        for row in folders.score(folder, targets).rows
    }
    for image in key["images"]:
        assert set(image["hashes"]) == {*METHODS, "target"}
        for name in METHODS:
            found, row = image["metrics"][name], scored[image["stem"], name]
            if (image["stem"], name) == ("image3", "gan"):
                assert found.pop("psnr") is None and row["restored_psnr"] == np.inf
            expected = {metric: row[f"restored_{metric}"] for metric in found}
            assert found == pytest.approx(expected, abs=1e-4)
            assert {"ssim", "ms_ssim", "cosine"} <= set(found)


def test_the_blur_is_that_of_two_boxes(places, tmp_path):
    _, targets = places
    methods = {name: targets for name in ("a", "b")}
    key = perceptual_pages.make(tmp_path / "s", methods, targets, images=1, catch=1)
    data = _embedded(tmp_path / "s")
    (trial,) = [trial for trial in key["trials"] if trial["catch"]]
    (asked,) = [row for row in data["trials"] if row["trial"] == trial["trial"]]
    side = "left" if trial["left"] == "blurred" else "right"
    found = _decoded(data["pictures"][asked[side]])
    picture = images.decode(targets / f"{trial['image']}.png").astype(float)
    reach = SIZE // 6 // 2
    for _ in range(2):
        padded = np.pad(picture, [(reach, reach), (reach, reach), (0, 0)], "edge")
        window = (2 * reach + 1,) * 2
        views = np.lib.stride_tricks.sliding_window_view(padded, window, (0, 1))
        picture = views.mean((-2, -1))
    np.testing.assert_allclose(found, picture, atol=0.51)


def test_a_catch_question_is_asked_of_the_picture_that_blur_changes_most(tmp_path):
    flat = {"flat": np.full((SIZE, SIZE, 3), 90, np.uint8), "rich": _picture(0)}
    targets = _write(tmp_path / "targets", flat)
    key = perceptual_pages.make(
        tmp_path / "s", {"a": targets, "b": targets}, targets, catch=1
    )
    assert [t["image"] for t in key["trials"] if t["catch"]] == ["rich"]


def test_a_picture_of_another_size_is_left_out_and_said(places, tmp_path):
    methods, targets = places
    images.encode(_picture(0)[:, :20], methods["l1"] / "image2.png")
    (methods["gan"] / "image4.png").write_bytes(b"nothing")
    key = perceptual_pages.make(tmp_path / "s", methods, targets)
    assert set(key["skipped"]) == {"image2", "image4"}
    assert "20x32, its target 32x32" in key["skipped"]["image2"]
    assert not {"image2", "image4"} & {trial["image"] for trial in key["trials"]}
    for path in methods["gan"].iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(errors.NoInputError, match="no image can be shown"):
        perceptual_pages.make(tmp_path / "t", methods, targets)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"kind": "2afk"}, "did you mean '2afc'"),
        ({"images": 0}, "images >= 1"),
        ({"catch": -1}, "catch >= 0"),
        ({"kind": "real", "reference": True}, "leave reference out"),
    ],
)
def test_what_cannot_be_meant_is_refused(places, tmp_path, options, sentence):
    with pytest.raises(errors.ConfigError, match=sentence):
        perceptual_pages.make(tmp_path / "s", *places, **options)
    assert not (tmp_path / "s").exists()


def test_methods_are_two_and_have_names_of_their_own(places, tmp_path):
    methods, targets = places
    for wrong, sentence in (
        (dict(itertools.islice(methods.items(), 1)), "2 methods or more, got 1"),
        ({**methods, "target": targets}, "cannot be called 'target'"),
    ):
        with pytest.raises(errors.ConfigError, match=sentence):
            perceptual_pages.make(tmp_path / "s", wrong, targets)


def test_a_study_is_never_written_over(places, tmp_path):
    perceptual_pages.make(tmp_path / "s", *places, images=2)
    before = (tmp_path / "s" / "study.json").read_bytes()
    with pytest.raises(errors.ConfigError, match="holds a study already"):
        perceptual_pages.make(tmp_path / "s", *places, images=3)
    assert (tmp_path / "s" / "study.json").read_bytes() == before


def test_a_page_too_large_for_a_browser_is_refused(places, tmp_path, monkeypatch):
    monkeypatch.setattr(perceptual_pages, "PAGE_LIMIT", 1000)
    with pytest.raises(errors.ConfigError, match="smaller crops"):
        perceptual_pages.make(tmp_path / "s", *places)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("text", ["nothing", "[]", "3", '{"study": "x"}'])
def test_a_missing_or_damaged_key_is_said(tmp_path, text):
    with pytest.raises(errors.NoInputError, match="study make"):
        perceptual_pages.read_key(tmp_path)
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(errors.ConfigError, match="no key of a study"):
        perceptual_pages.read_key(tmp_path)
