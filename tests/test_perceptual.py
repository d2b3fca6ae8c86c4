import importlib.util
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from golden import lpips as golden

from jaxrestore import errors, perceptual

STORED = Path(__file__).parent / "golden" / "lpips.json"
VGG16 = {"convolutions": (2, 2, 3, 3, 3), "widths": (2, 2, 2, 2, 2)}


ORDERED = [jnp.asarray(batch) for batch in golden.images()]


def _file(path, tensors):
    safetensors.numpy.save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """The narrow VGG19 of the stored numbers, from a file."""
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    more = {"classifier.0.weight": np.zeros((7, 5), np.float32)}
    return perceptual.load_features(
        _file(path, golden.vgg_tensors(**golden.VGG19) | more)
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """One convolution that copies the three channels, one that adds them up."""
    weights = np.zeros((3, 3, 3, 3), np.float32)
    weights[range(3), range(3), 1, 1] = 1
    second = np.zeros((1, 3, 3, 3), np.float32)
    second[0, :, 1, 1] = 1
    tensors = {
        "features.0.weight": weights,
        "features.0.bias": np.zeros(3, np.float32),
        "features.3.weight": second,
        "features.3.bias": np.zeros(1, np.float32),
    }
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    return perceptual.load_features(_file(path, tensors))


def _files(folder, net, **changed):
    """The two files of a narrow LPIPS."""
    tensors = {"backbone": golden.backbone(net)}
    tensors["heads"] = golden.heads(golden.BACKBONES[net]["widths"])
    tensors |= changed
    return [_file(folder / f"{n}.safetensors", t) for n, t in tensors.items()]


# Distance


def _distance(features, a, b, **options):
    measure = lambda a, b: perceptual.distance(features, a, b, **options)
    return jax.jit(measure)(a, b)


@pytest.mark.parametrize("case", golden.DISTANCES)
def test_a_distance_is_that_of_pytorch_with_the_same_weights(features, case):
    layers, criterion = golden.DISTANCES[case]
    stored = np.array(json.loads(STORED.read_text())[case])
    assert stored[0] > 0.03 and stored[-1] == 0
    found = _distance(features, *ORDERED, layers=layers, criterion=criterion)
    np.testing.assert_allclose(found, stored, rtol=1e-5)


def test_a_distance_by_hand(tiny):
    # 0.3 apart in red everywhere: 0.3 / 0.229 in one of three channels.
    target = jnp.full((2, 4, 4, 3), 0.6)
    restored = target.at[..., 0].add(jnp.array([0.3, 0.0])[:, None, None])
    red = 0.3 / 0.229
    found = _distance(tiny, restored, target, layers={"conv1_1": 2.0})
    np.testing.assert_allclose(found, [2 * red / 3, 0], rtol=1e-5)
    found = _distance(tiny, restored, target, layers={"conv1_1": 2.0}, criterion="mse")
    np.testing.assert_allclose(found, [2 * red**2 / 3, 0], rtol=1e-5)
    # After ReLU, maximum and sum of the three, all of which are positive here.
    both = {"conv1_1": 1.0, "conv2_1": 0.5}
    found = _distance(tiny, restored, target, layers=both)
    np.testing.assert_allclose(found, [red / 3 + red / 2, 0], rtol=1e-5)


def test_maps_are_compared_before_their_relu(tiny):
    # Both are far below ImageNet's mean: after a ReLU they would be alike.
    dark, black = jnp.full((1, 4, 4, 3), 0.1), jnp.zeros((1, 4, 4, 3))
    found = _distance(tiny, dark, black, layers={"conv1_1": 1.0})
    expected = np.mean(0.1 / np.array([0.229, 0.224, 0.225]))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)
    found = _distance(tiny, dark, black, layers={"conv2_1": 1.0})
    np.testing.assert_array_equal(found, [0])


def test_a_grey_image_counts_as_three_equal_channels(features):
    layers = {"conv2_1": 1.0}
    a, b = (image[:, :16, :16, :1] for image in ORDERED)
    grey = _distance(features, a, b, layers=layers)
    colour = _distance(features, a.repeat(3, -1), b.repeat(3, -1), layers=layers)
    assert float(grey[0]) > 0.1
    np.testing.assert_allclose(grey, colour, rtol=1e-6)
    with pytest.raises(ValueError, match="got 4 channels"):
        perceptual.distance(features, a.repeat(4, -1), b.repeat(4, -1))


def test_the_gradient_flows_to_the_restored_image_alone(features):
    a, b = (image[:, :16, :16] for image in ORDERED)
    options = {"layers": {"conv2_1": 1.0}, "criterion": "mse"}
    loss = lambda a, b: perceptual.distance(features, a, b, **options).sum()
    by_a, by_b = jax.jit(jax.grad(loss, (0, 1)))(a, b)
    assert np.isfinite(by_a).all() and float(jnp.abs(by_a[0]).max()) > 0
    np.testing.assert_array_equal(by_b, 0)
    # Against a finite difference along the gradient.
    step = 1e-2 * by_a / jnp.linalg.norm(by_a)
    measure = jax.jit(loss)
    slope = (measure(a + step, b) - measure(a - step, b)) / 2e-2
    assert float(slope) == pytest.approx(float(jnp.linalg.norm(by_a)), rel=0.02)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layers": {"conv5_5": 1.0}}, "no map 'conv5_5': did you mean 'conv5_"),
        ({"criterion": "L2"}, "no criterion 'L2'"),
        ({"criterion": "mes"}, "did you mean 'mse'?"),
    ],
)
def test_an_unknown_map_or_criterion_is_told_with_the_nearest(features, options, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        perceptual.distance(features, *ORDERED, **options)


# Files


def test_a_file_of_something_else_names_those_that_are_meant(tmp_path):
    path = _file(tmp_path / "other.safetensors", {"body.weight": np.zeros((2, 2))})
    with pytest.raises(errors.ConfigError, match=r"other.*vgg19-dcbb9e9d\.pth") as told:
        perceptual.load_features(path)
    assert "nothing is downloaded" in str(told.value)
    with pytest.raises(errors.NoInputError, match="nowhere"):
        perceptual.load_features(tmp_path / "nowhere.pth")


def test_a_vgg_without_one_of_its_biases_is_told(tmp_path):
    tensors = golden.vgg_tensors(**golden.VGG19)
    del tensors["features.34.bias"]
    path = _file(tmp_path / "cut.safetensors", tensors)
    with pytest.raises(errors.ConfigError, match=r"has no features\.34\.bias"):
        perceptual.load_features(path)


def test_half_precision_weights_are_computed_with_in_float32(tmp_path):
    tensors = golden.vgg_tensors(**VGG16)
    halves = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    found = perceptual.load_features(_file(tmp_path / "half.safetensors", halves))
    leaves = jax.tree.leaves(found.variables)
    assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}
    assert found.model.convolutions == VGG16["convolutions"]


# LPIPS


@pytest.mark.parametrize("net", golden.BACKBONES)
def test_lpips_is_that_of_pytorch_with_the_same_weights(tmp_path, net):
    model = perceptual.load_lpips(_files(tmp_path, net))
    found = jax.jit(lambda a, b: perceptual.lpips(model, a, b))(*ORDERED)
    stored = np.array(json.loads(STORED.read_text())[f"lpips {net}"])
    assert stored[0] > 0.3 and stored[-1] == 0
    np.testing.assert_allclose(found, stored, rtol=1e-5)


def test_one_file_of_both_parts_is_the_state_dict_of_the_package(tmp_path):
    tensors = golden.heads(golden.ALEXNET["widths"])
    # Its list of heads repeats them.
    tensors |= {n.replace("lin", "lins.", 1): t for n, t in [*tensors.items()]}
    for name, tensor in golden.backbone("alex").items():
        tensors[name.replace("features", "net.slice1")] = tensor
    tensors["scaling_layer.shift"] = np.zeros((1, 3, 1, 1), np.float32)
    one = perceptual.load_lpips([_file(tmp_path / "one.safetensors", tensors)])
    two = perceptual.load_lpips(_files(tmp_path, "alex")[::-1])
    assert one.features.model == two.features.model
    leaves = [jax.tree.leaves(model.features.variables) for model in (one, two)]
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.concatenate(one.heads), np.concatenate(two.heads))


def test_files_that_are_not_those_of_lpips_are_told(tmp_path):
    paths = _files(tmp_path, "alex")
    says = r"no heads of LPIPS.*alex\.pth or vgg\.pth"
    with pytest.raises(errors.ConfigError, match=says):
        perceptual.load_lpips(paths[:1])
    with pytest.raises(errors.ConfigError, match="no backbone of LPIPS"):
        perceptual.load_lpips(paths[1:])
    with pytest.raises(errors.ConfigError, match=r"maps of \(6, 4, 5, 8, 3\)"):
        others = golden.heads(golden.VGG16["widths"])
        perceptual.load_lpips(_files(tmp_path, "alex", heads=others))
    with pytest.raises(errors.ConfigError, match="a VGG of 16 convolutions"):
        heads = golden.heads(golden.VGG19["widths"])
        nineteen = golden.vgg_tensors(**golden.VGG19)
        perceptual.load_lpips(_files(tmp_path, "vgg", backbone=nineteen, heads=heads))


if importlib.util.find_spec("lpips"):  # PyTorch: never among what [dev] installs
    import torch

    def _torch(batch):
        return torch.tensor(np.asarray(batch)).permute(0, 3, 1, 2)

    def _pairs(side=64):
        rng = np.random.default_rng(1)
        first = rng.random((2, side, side + 5, 3), np.float32)
        noise = rng.normal(0, [[[[0.05]]], [[[0.3]]]], first.shape)
        return first, (first + noise).astype(np.float32)

    @pytest.mark.slow
    @pytest.mark.parametrize("net", ["alex", "vgg"])
    def test_lpips_of_published_width_equals_the_package(tmp_path, net):
        import lpips

        torch.manual_seed(0)
        theirs = lpips.LPIPS(pretrained=False, net=net, pnet_rand=True, verbose=False)
        for head in theirs.lins:
            torch.nn.init.uniform_(head.model[1].weight)
        torch.save(theirs.state_dict(), tmp_path / "lpips.pth")
        ours = perceptual.load_lpips([tmp_path / "lpips.pth"])
        a, b = _pairs()
        with torch.no_grad():
            expected = theirs(_torch(a), _torch(b), normalize=True).ravel().numpy()
        found = jax.jit(lambda a, b: perceptual.lpips(ours, a, b))(a, b)
        assert expected.min() > 1e-4
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    @pytest.mark.slow
    def test_the_maps_of_vgg19_equal_those_of_torchvision(tmp_path):
        import torchvision

        torch.manual_seed(0)
        theirs = torchvision.models.vgg19(weights=None).features.eval()
        torch.save(
            {f"features.{n}": t for n, t in theirs.state_dict().items()},
            tmp_path / "vgg19.pth",
        )
        features = perceptual.load_features(tmp_path / "vgg19.pth")
        mean, deviation = torch.tensor(
            [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
        ).reshape(2, 1, 3, 1, 1)
        a, b = _pairs()
        with torch.no_grad():
            # conv5_4 is the layer 34; 35 is its ReLU, in place.
            maps = [theirs[:35]((_torch(x) - mean) / deviation) for x in (a, b)]
            expected = (maps[0] - maps[1]).abs().mean((1, 2, 3)).numpy()
        found = jax.jit(lambda a, b: perceptual.distance(features, a, b))(a, b)
        assert expected.min() > 0
        np.testing.assert_allclose(found, expected, rtol=1e-5)
