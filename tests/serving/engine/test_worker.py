"""Orders in this process, without warming up: what comes of them, and when they end."""

import dataclasses
import functools
import json
import os
import queue
import re
import shutil
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import untrained
from PIL import Image
from skimage import data

import jaxrestore
from jaxrestore import errors, images, networks
from jaxrestore.inference import classical, folders, inpainting, shipped
from jaxrestore.ops import no_reference
from jaxrestore.prior import deep_image, pictures
from jaxrestore.serving import cells, settings, values
from jaxrestore.serving.engine import messages, offers, orders, worker
from jaxrestore.weights import cards, weight_files

DONE, FAILED, CANCELLED = (
    values.Status.DONE,
    values.Status.FAILED,
    values.Status.CANCELLED,
)


def noise(*shape, seed=0, most=256, dtype: type = np.uint8):
    return np.random.default_rng(seed).integers(0, most, shape, dtype)


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


class Desk:
    """A worker, the files of its orders, and what it tells."""

    def __init__(self, folder, models=None, **options):
        self.folder, self.told = folder, queue.Queue()
        begin = {"run_s": 100.0, "idle_release_s": None} | options
        self.worker = worker.Worker(
            messages.Begin(models, 4, 5, **begin), self.told.put
        )
        self.count = 0

    def order(
        self, picture, task, method="network", *, mask=None, owner="me", **options
    ):
        """Hands an order in; returns it."""
        self.count += 1
        name = f"{self.count:032x}"
        place = lambda what: self.folder / f"{name}.{what}.npy"
        np.save(place("source"), picture)
        if mask is not None:
            np.save(place("mask"), mask)
        cells = options.pop("cells", None)
        order = values.Order(
            *(name, owner, task, method, place("source"), place("made")),
            mask=None if mask is None else place("mask"),
            cells=cells,
            preview=place("preview"),
            options=options,
        )
        self.worker.take(order)
        return order

    def end(self, *jobs):
        """Returns what is told until these jobs have ended."""
        said, left = [], {order.job for order in jobs}
        while left:
            said.append(self.told.get(timeout=100))
            if isinstance(said[-1], values.Ended):
                left.discard(said[-1].job)
        return said

    def made(self, picture, task, method="network", **options):
        """Returns what comes of a picture, and the numbers of that."""
        order = self.order(picture, task, method, **options)
        ended = self.end(order)[-1]
        assert ended.status == DONE, ended
        return np.load(order.destination), ended.numbers

    def failure(self, *order, **options):
        ended = self.end(self.order(*order, **options))[-1]
        assert ended.status == FAILED, ended
        return ended.code, ended.detail


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Small networks that take the places of those that ship, but for `photo`."""
    folder = tmp_path_factory.mktemp("models")
    unet = {"name": "unet", "widths": [4, 6], "blocks": [1, 1]}
    enlarging = {"name": "srvggnet", "width": 4, "convs": 1}
    generators = {
        "denoise": unet,
        "jpeg": unet,
        "inpaint": {**unet, "fills_holes": True},
        "sr_x2": {**enlarging, "scale": 2},
        "sr_x4": {**enlarging, "scale": 4},
    }
    for seed, (name, generator) in enumerate(generators.items()):
        channels = 4 if name == "inpaint" else 3
        model = networks.build("Generator", generator)
        shape = jax.ShapeDtypeStruct((1, 8, 8, channels), jnp.float32)
        drawn = np.random.default_rng(seed).normal
        variables = jax.tree.map(
            lambda leaf, drawn=drawn: drawn(0, 0.2, leaf.shape).astype(np.float32),
            untrained.shapes(model, shape),
        )
        card = cards.card(generator, variables, source={})
        card["takes"] = ["rgb", "mask"][: channels - 2]
        weight_files.write(folder / f"{name}.safetensors", variables, card)
    return folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory, models):
    return Desk(tmp_path_factory.mktemp("orders"), models)


@pytest.fixture(scope="module")
def restore(models):
    """What `jaxrestore.restore` makes with these networks."""
    load = functools.cache(jaxrestore.Restorer.load)
    of = lambda task: load(models / f"{task}.safetensors")
    return lambda picture, task, **how: jaxrestore.restore(picture, of(task), **how)


@pytest.mark.parametrize(
    "shape, dtype",
    [((40, 50, 1), "uint8"), ((60, 33, 4), "uint8"), ((9, 70, 3), "uint16")],
)
@pytest.mark.parametrize("options", [{}, {"strength": 0.5, "ensemble": True}])
def test_results_are_those_of_the_library_to_the_bit(
    desk, restore, shape, dtype, options
):
    picture = noise(*shape, most=np.iinfo(dtype).max, dtype=dtype)
    made, numbers = desk.made(picture, "denoise", **options)
    np.testing.assert_array_equal(made, restore(picture, "denoise", **options))
    assert made.dtype == dtype and (made != picture).any()
    assert (numbers["height"], numbers["width"]) == shape[:2]
    assert numbers["tiles"] == 1 and numbers["run_s"] > 0
    assert numbers["model"] == "denoise" and numbers["device"] == "cpu"
    told = no_reference.compared(picture, made)
    assert told.items() <= numbers.items() and len(told) == 6
    # Of an ensemble each view is one.
    assert numbers["batches"] in (1, 8) and numbers["fill"] == 1


def test_what_ships_restores_as_it_does_without_a_server(desk, tmp_path):
    picture = data.coffee()[100:160, 200:280] + noise(60, 80, 3, most=20)
    made, _ = desk.made(picture, "photo")
    np.testing.assert_array_equal(made, jaxrestore.restore(picture, "photo"))
    images.encode(picture, tmp_path / "in.png")
    folders.restore_file(
        shipped.load("photo"), tmp_path / "in.png", tmp_path / "out.png"
    )
    np.testing.assert_array_equal(made, images.decode_as_stored(tmp_path / "out.png"))


def test_pictures_of_several_tiles_at_the_same_time_are_not_mixed_up(desk, restore):
    sizes = [(300, 40), (40, 400), (280, 280), (20, 20)]
    given = [noise(*size, 3, seed=seed) for seed, size in enumerate(sizes)]
    given = [np.minimum(one, 60 * (n + 1)) for n, one in enumerate(given)]
    many = [
        desk.order(one, task, owner=str(n % 3))
        for n, one in enumerate(given)
        for task in ("denoise", "jpeg")
    ]
    desk.end(*many)
    for order in many:
        expected = restore(np.load(order.source), order.task)
        np.testing.assert_array_equal(np.load(order.destination), expected)


def test_holes_are_filled_as_by_the_library(desk, restore):
    picture, mask = noise(30, 40, 4), np.zeros((30, 40), bool)
    mask[10:20, 5:15] = True
    made, _ = desk.made(picture, "inpaint", mask=mask)
    np.testing.assert_array_equal(made, restore(picture, "inpaint", mask=mask))
    biharmonic = lambda c, m: classical.biharmonic(jnp.concatenate([c, m], -1))
    made, _ = desk.made(picture, "inpaint", "classical", mask=mask)
    expected = inpainting.fill_holes(biharmonic, picture, mask)
    np.testing.assert_array_equal(made, expected)


def test_a_jpeg_file_is_kept_to_as_the_command_line_does(desk, models, tmp_path):
    file, said = tmp_path / "in.jpg", tmp_path / "cells.json"
    Image.fromarray(data.coffee()[100:140, 200:256]).save(file, quality=15)
    picture = images.decode_as_stored(file)
    assert cells.write(file, picture, said)
    made, numbers = desk.made(picture, "jpeg", cells=said, confine=True)
    network = jaxrestore.Restorer.load(models / "jpeg.safetensors")
    folders.restore_file(network, file, tmp_path / "out.png", confine=True)
    np.testing.assert_array_equal(made, images.decode_as_stored(tmp_path / "out.png"))
    assert numbers["confined"] == 1
    alone, _ = desk.made(picture, "jpeg", cells=said)
    np.testing.assert_array_equal(alone, made)  # as `restore --task jpeg` does it
    free, _ = desk.made(picture, "jpeg", cells=said, confine=False)
    assert (free != made).any()
    # Of what is no JPEG file nothing is said, and nothing asked.
    images.encode(picture, tmp_path / "in.png")
    assert not cells.write(tmp_path / "in.png", picture, tmp_path / "none.json")
    made, numbers = desk.made(picture, "jpeg", confine=True)
    np.testing.assert_array_equal(made, free)
    assert numbers["confined"] == 0


def test_classical_methods_are_those_of_the_library(desk):
    picture = noise(40, 30, 3)
    small = jnp.asarray(picture[None], jnp.float32) / 255
    for task, function in (
        ("denoise", classical.non_local_means),
        ("pixel_shuffle", classical.vector_median),
        ("deblur", classical.unsharp_mask),
    ):
        made, _ = desk.made(picture, task, "classical")
        inside = np.s_[9:-9, 9:-9]  # of tiles the border is mirrored
        expected = np.rint(255 * np.asarray(function(small))[0])
        np.testing.assert_allclose(made[inside], expected[inside], atol=1)
    made, _ = desk.made(picture, "sr", "classical", scale=3)
    assert made.shape == (120, 90, 3)
    assert abs(made.mean() - picture.mean()) < 2


def test_pixelation_is_undone_between_the_blocks_and_alpha_stays(desk):
    smooth = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.broadcast_to(smooth[:, None, None], (64, 30, 4)).copy()
    blocks = picture.reshape(8, 8, 30, 4).mean(1, keepdims=True).astype(np.uint8)
    pixelated = np.broadcast_to(blocks, (8, 8, 30, 4)).reshape(64, 30, 4).copy()
    pixelated[..., 3] = picture[..., 3]
    made, _ = desk.made(pixelated, "pixelate", "classical", block=8)
    np.testing.assert_array_equal(made[..., 3], picture[..., 3])
    error = lambda one: np.abs(
        one[8:56, :, :3].astype(int) - picture[8:56, :, :3]
    ).mean()
    assert error(made) < 0.3 * error(pixelated)


@pytest.fixture
def fits(monkeypatch):
    """Fits of three intervals that are quick, and what they were asked."""
    asked = []

    def restore_picture(picture, *, progress, **options):
        asked.append(options)
        for iteration in (50, 100, 150):
            small = np.full_like(picture, iteration)
            if progress(pictures.Now(iteration, 150, small)):
                return pictures.Restored(small, iteration, "asked")
        return pictures.Restored(picture, 150, "rule")

    monkeypatch.setattr(pictures, "restore_picture", restore_picture)
    return asked


def test_a_fit_shows_what_it_has_and_goes_on(desk, fits):
    picture = noise(12, 10, 3, most=2**16, dtype=np.uint16)
    order = desk.order(picture, "denoise", "prior", iterations=7)
    said = desk.end(order)
    shares = [one.share for one in said if isinstance(one, values.Progressed)]
    assert shares == [1 / 3, 2 / 3, 1] and said[-1].numbers["iterations"] == 150
    assert np.load(order.preview).dtype == np.load(order.destination).dtype == np.uint16
    assert (np.load(order.preview) == 150 * 257).all()
    assert fits == [{"task": "denoise", "iterations": 7}]


def test_a_fit_that_goes_bad_is_told_in_words_for_who_has_no_library(desk, monkeypatch):
    def restore_picture(picture, *, progress, **options):
        error = deep_image.FitError("the numbers are not finite; try another key")
        error.result = pictures.Restored(picture, 150, "rule")
        raise error

    monkeypatch.setattr(pictures, "restore_picture", restore_picture)
    _, numbers = desk.made(noise(8, 8, 3), "denoise", "prior")
    said = "The method came to numbers that make no picture; choose another method."
    assert numbers["went_bad"] == said


def test_a_fit_ends_with_its_best_when_asked(desk, fits, monkeypatch):
    finish = orders._Fit.told

    def told(fit, now):
        desk.worker.take(messages.Finish(fit._work.order.job))
        return finish(fit, now)

    monkeypatch.setattr(orders._Fit, "told", told)
    made, numbers = desk.made(noise(8, 8, 3), "jpeg", "prior")
    assert (made == 50).all() and numbers["iterations"] == 50


def test_others_have_the_device_while_a_fit_begins_and_between_intervals(
    desk, monkeypatch
):
    device = desk.worker._turns
    picture = noise(20, 20, 3)

    def restore_picture(picture, *, progress, **options):
        # While its program is compiled somebody comes, and has not to wait.
        desk.made(noise(20, 20, 3), "denoise", owner="you")
        assert not progress(pictures.Now(50, 150, picture))
        waits = desk.order(noise(20, 20, 3), "denoise", owner="another")
        until(lambda: device._waiting)
        assert not waits.destination.exists()
        assert not progress(pictures.Now(100, 150, picture))
        until(waits.destination.exists)  # the fit does not hold it up any more
        return pictures.Restored(picture, 150, "rule")

    monkeypatch.setattr(pictures, "restore_picture", restore_picture)
    fit = desk.order(picture, "denoise", "prior")
    until(lambda: not desk.worker._running)
    np.testing.assert_array_equal(np.load(fit.destination), picture)
    while not desk.told.empty():
        desk.told.get()


def test_the_prior_has_an_operator_for_each_damage(desk, fits):
    picture = noise(16, 16, 3)
    desk.made(picture, "sr", "prior", scale=2)
    desk.made(picture, "pixelate", "prior", block=4)
    desk.made(picture, "deblur", "prior", blur=1.5)
    sr, pixelate, deblur = fits
    assert (sr["task"], sr["scale"]) == ("sr", 2)
    assert (pixelate["task"], pixelate["scale"]) == ("sr", 4)
    x = jnp.asarray(noise(1, 8, 8, 3), jnp.float32)
    blocks = x.reshape(1, 2, 4, 2, 4, 3).mean((2, 4))
    np.testing.assert_allclose(pixelate["operator"](x), blocks, rtol=1e-5)
    assert jnp.var(deblur["operator"](x)) < 0.3 * jnp.var(x)


def test_a_running_job_ends_within_a_tile_when_cancelled(desk, monkeypatch):
    network = desk.worker._networks._network("denoise")
    applied, entered, go = [], threading.Event(), threading.Event()

    def apply(tile):
        applied.append(1)
        entered.set()
        assert go.wait(20)
        return tile

    monkeypatch.setitem(
        desk.worker._networks._loaded,
        "denoise",
        dataclasses.replace(network, apply=apply),
    )
    order = desk.order(noise(300, 900, 3), "denoise")
    assert entered.wait(20)
    waits = desk.order(noise(20, 20, 3), "denoise", owner="you")
    desk.worker.take(messages.Cancel(waits.job))
    assert [one.job for one in desk.end(waits) if isinstance(one, values.Ended)] == [
        waits.job
    ]
    desk.worker.take(messages.Cancel(order.job))
    go.set()
    ended = desk.end(order)[-1]
    assert ended.status == CANCELLED and len(applied) == 1
    assert not order.destination.exists() and not waits.destination.exists()
    assert not desk.worker._running


def test_memory_that_does_not_suffice_ends_one_job_alone(desk, monkeypatch):
    network = desk.worker._networks._network("denoise")

    def apply(tile):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setitem(
        desk.worker._networks._loaded,
        "denoise",
        dataclasses.replace(network, apply=apply),
    )
    code, detail = desk.failure(noise(20, 20, 3), "denoise")
    assert code == "out_of_memory" and "more memory" in detail
    assert "`" not in detail  # there is no `tile` to choose
    desk.made(noise(20, 20, 3), "jpeg")


def logged(capsys):
    """What went to standard error, in which no id is whole."""
    said = capsys.readouterr().err
    assert not re.search("[0-9a-f]{32}", said)
    return said


def test_what_nobody_foresaw_ends_one_job_alone_and_is_logged(
    desk, monkeypatch, capsys
):
    def fail(path, array):
        raise ZeroDivisionError(str(path))

    monkeypatch.setattr(orders, "_write", fail)
    code, detail = desk.failure(noise(20, 20, 3), "denoise")
    assert code == "engine_error" and "division" not in detail
    assert "ZeroDivisionError" in logged(capsys)


@pytest.mark.parametrize(
    "order, options, code, said",
    [
        (("denoise",), {"level": 25}, "bad_options", "leave `level` out"),
        (("denoise",), {"blur": 2}, "bad_options", "denoise takes no `blur`"),
        (("denoise", "magic"), {}, "bad_options", "no method 'magic'"),
        (("jpeg", "classical"), {}, "bad_options", "choose another method"),
        (("deblur",), {}, "bad_options", "no network for 'deblur'"),
        (("sr", "classical"), {"scale": 40}, "bad_options", "from 2 to 16"),
        (("pixelate", "classical"), {"block": 1}, "bad_options", "whole number"),
        (("inpaint",), {}, "bad_options", "`mask`"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(desk, order, options, code, said):
    found = desk.failure(noise(20, 20, 3), *order, **options)
    assert found[0] == code and said in found[1]


def test_nobody_is_told_of_places_on_our_disk(desk, capsys, monkeypatch):
    monkeypatch.setattr(np, "load", lambda path, **how: os.stat(f"{path}.gone"))
    code, detail = desk.failure(noise(20, 20, 3), "denoise")
    assert code == "disk" and str(desk.folder) not in detail
    assert ".gone" in logged(capsys)


def test_the_prior_takes_no_picture_that_is_too_large_for_it(desk):
    code, detail = desk.failure(noise(600, 600, 3), "sr", "prior", scale=2)
    assert code == "bad_image" and "1200x1200 px" in detail


def test_a_job_has_its_time_and_no_more(tmp_path, models):
    desk = Desk(tmp_path, models, run_s=-1.0)
    assert desk.failure(noise(20, 20, 3), "denoise")[0] == "too_long"


def test_what_is_not_needed_for_long_is_let_go_and_loaded_again(
    tmp_path, models, monkeypatch
):
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # other tests need them
    desk = Desk(tmp_path, models, idle_release_s=0.05)
    picture = noise(20, 20, 3)
    before, _ = desk.made(picture, "denoise")
    desk.worker.rest()
    assert desk.worker._networks._loaded
    time.sleep(0.1)
    desk.worker.rest()
    assert not desk.worker._networks._loaded
    np.testing.assert_array_equal(desk.made(picture, "denoise")[0], before)
    kept = Desk(tmp_path, models)
    kept.made(picture, "denoise")
    time.sleep(0.1)
    kept.worker.rest()
    assert kept.worker._networks._loaded


def test_enlarging_has_a_network_for_each_scale(desk, restore):
    picture = noise(20, 24, 4)
    for scale in (2, 4):
        made, numbers = desk.made(picture, "sr", scale=scale)
        np.testing.assert_array_equal(made, restore(picture, f"sr_x{scale}"))
        assert numbers["model"] == f"sr_x{scale}"
    assert desk.made(picture, "sr")[0].shape == (40, 48, 4)
    code, detail = desk.failure(picture, "sr", scale=3)
    assert code == "bad_options" and "no network for 'sr_x3'" in detail
    (enlarge,) = (t for t in offers.offered(desk.worker._weights) if t.name == "sr")
    assert [network.scale for network in enlarge.networks] == [2, 4]
    assert enlarge.scales == (2, 3, 4) and values.task_of("sr_x8") == "sr_x8"
    own = offers.offered({"my-own": desk.worker._weights["sr_x4"]})[-1]
    assert own.scales[0] == 4  # by which the size of its results is judged


def test_own_weights_serve_tasks_by_their_files_names(tmp_path, models, restore):
    source = models / "jpeg.safetensors"
    for name in ("deblur", "denoise", "my-own"):
        shutil.copy(source, tmp_path / f"{name}.safetensors")
        shutil.copy(source.with_suffix(".json"), tmp_path / f"{name}.json")
    desk = Desk(tmp_path, models=tmp_path)
    desk.worker._networks.warm = dict
    desk.worker.warm()
    tasks = {one.name: one for one in desk.told.get().tasks}
    assert tasks["deblur"].methods == ("network", "prior", "classical")
    assert tasks["my-own"].methods == ("network",) and tasks["my-own"].label == "My own"
    assert tasks["photo"].networks[0].sha256 == shipped.card("photo")["sha256"]
    (own,) = tasks["denoise"].networks
    assert own.sha256 == weight_files.read_card(source)["sha256"]
    assert (own.name, own.architecture, own.scale) == ("denoise", "unet", 1)
    picture = noise(20, 20, 3)
    made, numbers = desk.made(picture, "denoise")
    np.testing.assert_array_equal(made, restore(picture, "jpeg"))
    assert numbers["weights"] == own.sha256
    with pytest.raises(errors.NoInputError, match="is no folder"):
        offers.files(tmp_path / "nowhere")


def test_weights_that_cannot_be_used_cost_their_task_its_network_alone(
    tmp_path, models, monkeypatch, capsys
):
    source = models / "jpeg.safetensors"
    for name in ("denoise", "jpeg", "my-own"):
        shutil.copy(source, tmp_path / f"{name}.safetensors")
        shutil.copy(source.with_suffix(".json"), tmp_path / f"{name}.json")
    (tmp_path / "denoise.safetensors").write_bytes(source.read_bytes()[:-1])
    card = json.loads(source.with_suffix(".json").read_bytes())
    (tmp_path / "my-own.json").write_text(json.dumps({**card, "takes": ["grey"]}))
    monkeypatch.setattr(offers, "files", settings.own_weights)
    desk = Desk(tmp_path, models=tmp_path)
    monkeypatch.setattr(desk.worker._networks, "_compile", lambda network: None)
    desk.worker.warm()
    tasks = {one.name: one for one in desk.told.get().tasks}
    assert tasks["jpeg"].methods[0] == "network"
    assert tasks["denoise"].methods == ("prior", "classical")
    assert tasks["my-own"].methods == ()
    for name in ("denoise", "my-own"):
        assert "reason in its log" in tasks[name].why_not["network"]
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"no network denoise: {tmp_path}")
    assert told[1].startswith("no network my-own: ") and "takes" in told[1]


def test_every_task_says_what_it_takes_and_why_not():
    tasks = offers.offered(offers.files(None))
    known = {network.name for one in tasks for network in one.networks}
    assert {*shipped.names()} == known
    for one in tasks:
        assert one.methods and {*one.methods, *one.why_not} == {*values.METHODS}
        assert not {*one.methods} & {*one.why_not}
        assert all(said.endswith(".") for said in one.why_not.values())
        for option in one.options["properties"].values():
            assert option["title"] and {*option["x-methods"]} <= {*one.methods}
        json.dumps(one.options)
        assert all(values.task_of(network.name) == one.name for network in one.networks)
        assert all(network.sha256 and network.license for network in one.networks)
        assert ("network" in one.methods) == bool(one.networks)
    assert [one.name for one in tasks if one.needs_mask] == ["inpaint"]
