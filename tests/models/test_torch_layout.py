import pytest

from jaxrestore.models import torch_layout


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_is_a_kernel_and_perhaps_a_bias(bias):
    names = {"params/block0/conv1/conv/kernel": "body.0.conv1.weight"}
    if bias:
        names["params/block0/conv1/conv/bias"] = "body.0.conv1.bias"
    assert torch_layout.conv("block0/conv1", "body.0.conv1", bias) == names


def test_a_convolution_has_a_bias_unless_it_is_said():
    assert len(torch_layout.conv("first", "model.0")) == 2


def test_batch_normalisation_has_parameters_and_statistics_but_no_count():
    assert torch_layout.batch_norm("down1_norm", "model.3") == {
        "params/down1_norm/batch/scale": "model.3.weight",
        "params/down1_norm/batch/bias": "model.3.bias",
        "batch_stats/down1_norm/batch/mean": "model.3.running_mean",
        "batch_stats/down1_norm/batch/var": "model.3.running_var",
    }
