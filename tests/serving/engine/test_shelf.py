from pathlib import Path

from jaxrestore.inference import restorer, tiles
from jaxrestore.serving.engine import shelf, turns
from jaxrestore.weights import weight_files


def test_one_of_each_program_is_compiled_before_pictures_come(monkeypatch):
    """Two networks that differ in what they take have programs of their own."""
    seen = []
    takes = {"a": ("rgb",), "b": ("rgb", "level"), "c": ("rgb",)}

    def load(file):
        apply = lambda images: seen.append((file.stem, images.shape)) or images
        return restorer.Restorer(apply, 1, 1, "x", takes[file.stem], reach=8)

    monkeypatch.setattr(restorer, "load_weights", load)
    card = {"generator": {"name": "unet"}, "statistics": "eval"}
    monkeypatch.setattr(weight_files, "read_card", lambda file: card)
    monkeypatch.setattr(weight_files, "check", lambda file: None)
    files = {name: Path(f"{name}.safetensors") for name in takes}
    assert shelf.Shelf(files, turns.Turns(2)).warm() == {}
    assert seen == [
        (name, (count, side, side, channels))
        for name, channels in (("a", 3), ("b", 4))
        for side in tiles.SIDES
        for count in (1, 2)
    ]
