import numpy as np

from jaxrestore.data import mapped


class Source:
    """Two grey images with names."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        image = np.full((2, 3, 1), 10 * int(index), np.uint8)
        return {"image": image, "name": self.name(int(index)), "extra": "kept"}

    def __repr__(self):
        return "Source()"

    def name(self, position):
        return f"picture{position}"

    def report(self):
        return {"images": 2}


def _changed(read=None):
    def change(image):
        if read is not None:
            read.append(image)
        return np.repeat(image + 1, 3, -1)

    return mapped.Mapped(Source(), change, label="three equal channels", channels=3)


def test_images_are_changed_and_all_else_stays():
    element = _changed()[1]
    np.testing.assert_array_equal(element["image"], np.full((2, 3, 3), 11))
    assert (element["name"], element["extra"]) == ("picture1", "kept")


def test_it_answers_as_its_source_does_but_for_the_channels():
    found = _changed()
    assert (len(found), found.name(1), found.report()) == (2, "picture1", {"images": 2})
    assert found.channels == 3
    assert repr(found) == "Mapped(Source(), three equal channels)"


def test_nothing_is_read_before_it_is_asked_for():
    read = []
    found = _changed(read)
    assert not read and len(found) == 2 and not read
    assert found[0]["image"].max() == 1 and len(read) == 1
