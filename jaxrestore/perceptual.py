"""Distances between images as a network of image classification sees them.

Its weights come from files that the user has; nothing is downloaded. Images are float32
[b, h, w, c] in [0, 1], three channels of RGB or one of grey, and are not clipped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxrestore import errors, naming
from jaxrestore.models import alexnet, vgg
from jaxrestore.ops import averages
from jaxrestore.weights import weight_files

CRITERIA = ("l1", "mse")
LAYERS: Mapping[str, float] = MappingProxyType({"conv5_4": 1.0})  # those of ESRGAN

Images = Float[Array, "b h w c"]

# Mean and standard deviation of the images of ImageNet, by channel.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What LPIPS has in their place, for images in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_VGG_FILES = (
    "torchvision's vgg19-dcbb9e9d.pth (or vgg16-397923af.pth), from "
    "https://download.pytorch.org/models/"
)
_LPIPS_FILES = (
    "the backbone of torchvision (alexnet-owt-7be5be79.pth or vgg16-397923af.pth, from "
    "https://download.pytorch.org/models/) and the heads of LPIPS v0.1 (alex.pth or "
    "vgg.pth, from https://github.com/richzhang/PerceptualSimilarity), or one file of "
    "both"
)


class Features(NamedTuple):
    """A network that maps images to maps of features, and its variables."""

    model: Any
    variables: Mapping[str, Any]


class Lpips(NamedTuple):
    """A network of features, and for each map compared the weights of its channels."""

    features: Features
    heads: Sequence[Float[np.ndarray, " _"] | Float[Array, " _"]]


def load_features(path: Path) -> Features:
    """Returns the VGG that a file of torchvision's holds, its variables in NumPy.

    VGG19, VGG16 and any of their layout, whatever the widths. Raises `NoInputError`
    when the file cannot be read, `ConfigError` when it holds something else.
    """
    tensors = weight_files.read(path)
    found = _recognised(tensors, path, vgg)
    if found is None:
        raise errors.ConfigError(
            f"{path} holds no VGG; give {_VGG_FILES}; nothing is downloaded for you"
        )
    return found


def distance(
    features: Features,
    restored: Images,
    target: Images,
    *,
    layers: Mapping[str, float] = LAYERS,
    criterion: str = "l1",
) -> Float[Array, " b"]:
    """Returns the distance of the maps of both images, 0 is best, summed over `layers`.

    `layers` has the weight of each map by its name (`conv5_4`); the distance of two
    maps is the mean over their numbers of the absolute difference (`l1`) or of its
    square (`mse`). Maps are those before the ReLU, images normalised as ImageNet's
    were, grey repeated to three channels. The gradient flows to `restored` alone.

    Raises `ValueError` for an unknown map or criterion.

    Source: Johnson et al., "Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution", ECCV 2016; before the ReLU: Wang et al., "ESRGAN: Enhanced
    Super-Resolution Generative Adversarial Networks", ECCVW 2018, of whose code
    (BasicSR) mean, deviation and reduction are.
    """
    if criterion not in CRITERIA:
        hint = naming.nearest(criterion, CRITERIA)
        raise ValueError(f"perceptual has no criterion {criterion!r}: {hint}")
    error = {"l1": jnp.abs, "mse": jnp.square}[criterion]
    ours = _maps(features, _normalised(restored, _MEAN, _DEVIATION), layers)
    theirs = _maps(features, _normalised(target, _MEAN, _DEVIATION), layers)
    theirs = jax.lax.stop_gradient(theirs)
    total = jnp.zeros(len(restored))
    for name, weight in layers.items():
        total = total + weight * averages.image_mean(error(ours[name] - theirs[name]))
    return total


def check_layers(features: Features, layers: Iterable[str]) -> None:
    """Raises `ValueError` for a name in `layers` that the network has no map of."""
    known = features.model.maps
    for name in layers:
        if name not in known:
            hint = naming.nearest(name, known)
            raise ValueError(f"the network has no map {name!r}: {hint}")


def load_lpips(paths: Sequence[Path]) -> Lpips:
    """Returns LPIPS from its files: backbone and heads, or one file that has both.

    Backbones are AlexNet and VGG16 in torchvision's names, heads have those of the
    `lpips` package, whose own state dict is a file of both. Raises `NoInputError` when
    a file cannot be read, `ConfigError` when something is missing or does not fit.
    """
    tensors: dict[str, np.ndarray] = {}
    for path in paths:
        tensors |= {_lpips_name(n): t for n, t in weight_files.read(path).items()}
    shown = " and ".join(str(path) for path in paths)
    found = _recognised(tensors, shown, alexnet, vgg)
    heads = [t for n, t in sorted(tensors.items()) if re.fullmatch(r"heads\.\d", n)]
    if found is None or not heads:
        lacking = "heads" if found is not None else "backbone"
        raise errors.ConfigError(
            f"{shown}: no {lacking} of LPIPS is there; give {_LPIPS_FILES}; nothing is "
            "downloaded for you"
        )
    widths = [found.model.widths, tuple(head.size for head in heads)]
    if widths[0] != widths[1] or len(_compared(found.model)) != len(heads):
        raise errors.ConfigError(
            f"{shown}: the backbone has maps of {widths[0]} channels, the heads are "
            f"for {widths[1]}; give {_LPIPS_FILES}"
        )
    if isinstance(found.model, vgg.Features) and found.model.convolutions != _VGG16:
        raise errors.ConfigError(
            f"{shown}: the backbone is a VGG of {sum(found.model.convolutions)} "
            f"convolutions; the heads were fitted to VGG16; give {_LPIPS_FILES}"
        )
    return Lpips(found, [np.ravel(head).astype(np.float32) for head in heads])


def backbone(features: Features) -> str:
    """Returns the name of the network: `vgg` or `alex`, as papers write it."""
    return "alex" if isinstance(features.model, alexnet.Features) else "vgg"


def lpips(model: Lpips, a: Images, b: Images) -> Float[Array, " b"]:
    """Returns the learned perceptual distance of two images; 0 is best.

    Version 0.1, for images in [0, 1]: lower is better, 1 is very far. Numbers of
    AlexNet and of VGG16 do not compare. Raises `ValueError` for images too small.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric", CVPR 2018; order and constants of the authors' `lpips` 0.1.4.
    """
    wanted = _compared(model.features.model)
    maps_a, maps_b = (
        _maps(model.features, _normalised(2 * image - 1, _SHIFT, _SCALE), wanted)
        for image in (a, b)
    )
    total = jnp.zeros(len(a))
    for name, head in zip(wanted, model.heads, strict=True):
        apart = jnp.square(_unit(maps_a[name]) - _unit(maps_b[name]))
        total = total + (apart * head).sum(-1).mean((1, 2))
    return total


_VGG16 = (2, 2, 3, 3, 3)


def _recognised(tensors, path, *homes):
    """The network that the tensors of a torchvision file make up, or None."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    for home in homes:
        options = home.torch_options(shapes)
        if options is not None:
            model = home.Features(**options)
            return Features(model, _variables(model, tensors, path))
    return None


def _variables(model, tensors, path):
    leaves = {}
    for place, name in model.torch_names().items():
        if name not in tensors:
            raise errors.ConfigError(
                f"{path} has no {name}; it is damaged or cut: fetch it again"
            )
        tensor = tensors[name].astype(np.float32)
        leaves[place] = tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
    return weight_files.nested(leaves)


def _lpips_name(name):
    """A name in the state dict of the package `lpips` as torchvision has it."""
    if found := re.fullmatch(r"lin(\d)\.model\.\d\.weight", name):
        return f"heads.{found[1]}"
    return re.sub(r"^net\.slice\d\.(\d+)\.", r"features.\1.", name)


def _compared(model):
    """The maps that LPIPS compares: the last of each block, or all of AlexNet's."""
    return [*{name.partition("_")[0]: name for name in model.maps}.values()]


def _maps(features, images, wanted):
    check_layers(features, wanted)
    variables = jax.tree.map(jnp.asarray, features.variables)
    return features.model.apply(variables, images, wanted=[*wanted])


def _normalised(images, mean, deviation):
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"the features of a network are those of RGB or grey images; got "
            f"{images.shape[-1]} channels"
        )
    # Grey becomes three equal channels here, by broadcasting.
    return (images - np.float32(mean)) / np.float32(deviation)


def _unit(maps):
    """The vector of each pixel, after the ReLU, at length 1; zeros stay."""
    maps = jax.nn.relu(maps)
    return maps / (jnp.sqrt(jnp.square(maps).sum(-1, keepdims=True)) + 1e-10)
