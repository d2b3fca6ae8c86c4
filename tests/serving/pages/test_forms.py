"""What forms ask browsers for."""

import re

import pytest
from PIL import Image
from serving import pictures_of
from serving.http import whole
from serving.pages import paged

from jaxrestore import images
from jaxrestore.serving.pages import forms


def test_file_dialogs_offer_all_that_is_read_and_no_heic():
    offered = forms.ACCEPTED.split(",")
    assert sorted(offered) == sorted(f"image/{name.lower()}" for name in images.FORMATS)
    # Safari makes of HEIC, unless that is offered, the first of these that it can.
    assert offered[0] == "image/jpeg" and not re.search("hei[cf]", forms.ACCEPTED)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with paged.visitor(paged.app(whole.settings(tmp_path_factory.mktemp("a")))) as one:
        yield one


def test_every_page_with_a_file_dialog_has_that_list(client):
    image = paged.uploaded(client, pictures_of.png(1))
    places = ("/", "/batch", f"/edit/{image}")
    found = [
        kinds
        for place in places
        for kinds in re.findall(
            'type="file"[^>]* accept="([^"]*)"', client.get(place).text
        )
    ]
    camera, batch = "image/*", f"{forms.ACCEPTED},application/zip,.zip"
    assert found == [forms.ACCEPTED, camera, batch, forms.ACCEPTED]


@pytest.mark.parametrize("format", images.FORMATS)
def test_what_is_offered_is_taken_and_named_on_the_first_page(client, format):
    picture = Image.fromarray(pictures_of.array())
    paged.uploaded(client, pictures_of.saved(picture, format))
    assert re.search(rf"\b{format}\b", client.get("/").text, re.IGNORECASE)
