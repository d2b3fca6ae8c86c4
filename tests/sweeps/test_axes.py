import pytest

from jaxrestore import errors
from jaxrestore.sweeps import axes


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("batch_size=1,16", "batch_size", [1, 16]),
        ("lr=2e-4", "lr", [2e-4]),
        (
            "degradation.side=(48,128),(85,128)",
            "degradation.side",
            [(48, 128), (85, 128)],
        ),
        ("degradation.side=(48,128)", "degradation.side", [(48, 128)]),
        ("netG=unet_256,resnet_9blocks", "netG", ["unet_256", "resnet_9blocks"]),
        ("norm=none,batch", "norm", ["none", "batch"]),
        ("adversarial=None", "adversarial", [None]),
        ("x=raster,(1,2),3", "x", ["raster", (1, 2), 3]),
        ("data.train=/a/b=c", "data.train", ["/a/b=c"]),
    ],
)
def test_an_axis_reads_literals_and_else_text(text, key, values):
    assert axes.axis(text) == (key, values)


@pytest.mark.parametrize("text", ["lr", "lr=", "=1", ""])
def test_an_axis_without_key_or_values_is_refused(text):
    with pytest.raises(errors.ConfigError, match="KEY=A,B,C"):
        axes.axis(text)


def test_a_study_of_a_recipe_is_called_by_it_and_its_axes():
    made = axes.study("configs/pix2pix.py:ab,demo", ["lr=1e-3,1e-4", "n_epochs=2"])
    assert made.name == "pix2pix-ab-demo-lr-n_epochs"
    assert made.grid == {"lr": [1e-3, 1e-4], "n_epochs": [2]}
    with pytest.raises(errors.ConfigError, match="lr stands there twice"):
        axes.study("configs/pix2pix.py", ["lr=1", "lr=2"])
