"""Makes lpips.json: distances of features, and LPIPS, as PyTorch has them.

    pip install torch==2.15.0
    python tests/golden/lpips.py

The networks are written here from their description, with PyTorch's functions, narrow
so that nothing is large; each tensor is drawn from its name, so none is stored. Where
PyTorch is installed, `tests/test_perceptual.py` compares the published widths with
torchvision and the package `lpips` themselves.

Source: Simonyan, Zisserman, ICLR 2015; Krizhevsky, arXiv 2014; Zhang et al., CVPR 2018.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("lpips.json")
SIDE = 37  # odd halves: 18, 9, 4, 2
VGG19 = {"convolutions": (2, 2, 4, 4, 4), "widths": (4, 6, 8, 6, 5)}
VGG16 = {"convolutions": (2, 2, 3, 3, 3), "widths": (3, 5, 4, 6, 4)}
ALEXNET = {"widths": (6, 4, 5, 8, 3)}
# Real-ESRGAN's weights of five maps.
FIVE = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
# (layers, criterion) of a distance of VGG19's maps
DISTANCES = {
    "last l1": ({"conv5_4": 1.0}, "l1"),
    "five l1": (FIVE, "l1"),
    "five mse": (FIVE, "mse"),
}
BACKBONES = {"alex": ALEXNET, "vgg": VGG16}
_PLACES = ((0, 11, 4, 2), (3, 5, 1, 2), (6, 3, 1, 1), (8, 3, 1, 1), (10, 3, 1, 1))


def images() -> list[np.ndarray]:
    """Returns two batches [3, SIDE, SIDE, 3] in [0, 1]; the last pair is equal."""
    generator = np.random.default_rng(SIDE)
    first, second = (generator.random((3, SIDE, SIDE, 3), np.float32) for _ in "ab")
    second[-1] = first[-1]
    return [first, second]


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a tensor for its name; kernels keep the variance of what passes a ReLU.

    Heads are positive, as those of LPIPS.
    """
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    if name.startswith("lin"):
        return generator.uniform(0, 1, shape).astype(np.float32)
    reach = (6 / (shape[1] * shape[2] * shape[3])) ** 0.5 if len(shape) == 4 else 0.1
    return generator.uniform(-reach, reach, shape).astype(np.float32)


def vgg_tensors(*, convolutions, widths) -> dict[str, np.ndarray]:
    """Returns the tensors of such a VGG as a torchvision file has them."""
    tensors, place, channels = {}, 0, 3
    for count, width in zip(convolutions, widths, strict=True):
        for _ in range(count):
            shape = (width, channels, 3, 3)
            tensors |= _layer(f"features.{place}", shape)
            place, channels = place + 2, width
        place += 1
    return tensors


def alexnet_tensors(*, widths) -> dict[str, np.ndarray]:
    """Returns the tensors of such an AlexNet as a torchvision file has them."""
    tensors, channels = {}, 3
    for width, (place, kernel, _, _) in zip(widths, _PLACES, strict=True):
        tensors |= _layer(f"features.{place}", (width, channels, kernel, kernel))
        channels = width
    return tensors


def heads(widths) -> dict[str, np.ndarray]:
    """Returns the tensors of a file of heads of the LPIPS repository."""
    names = [f"lin{index}.model.1.weight" for index in range(len(widths))]
    return {
        name: draw(name, (1, width, 1, 1))
        for name, width in zip(names, widths, strict=True)
    }


def backbone(net: str) -> dict[str, np.ndarray]:
    """Returns the tensors of the narrow backbone `alex` or `vgg` of LPIPS."""
    make = {"alex": alexnet_tensors, "vgg": vgg_tensors}[net]
    return make(**BACKBONES[net])


def _layer(name, shape):
    return {
        f"{name}.weight": draw(f"{name}.weight", shape),
        f"{name}.bias": draw(f"{name}.bias", shape[:1]),
    }


# PyTorch's side. Feature maps are [b, c, h, w].


def vgg_maps(x, tensors, convolutions):
    """Returns the maps before their ReLU, by name."""
    import torch
    import torch.nn.functional as functions

    maps, place = {}, 0
    for block, count in enumerate(convolutions, 1):
        x = functions.max_pool2d(x, 2, 2) if block > 1 else x
        for index in range(1, count + 1):
            weight, bias = (
                torch.from_numpy(tensors[f"features.{place}.{part}"])
                for part in ("weight", "bias")
            )
            x = functions.conv2d(x, weight, bias, padding=1)
            maps[f"conv{block}_{index}"] = x
            x, place = torch.relu(x), place + 2
        place += 1
    return maps


def alexnet_maps(x, tensors):
    """Returns the maps before their ReLU, by name."""
    import torch
    import torch.nn.functional as functions

    maps = {}
    for index, (place, _, stride, padding) in enumerate(_PLACES):
        x = functions.max_pool2d(x, 3, 2) if index in (1, 2) else x
        weight, bias = (
            torch.from_numpy(tensors[f"features.{place}.{part}"])
            for part in ("weight", "bias")
        )
        x = functions.conv2d(x, weight, bias, stride, padding)
        maps[f"conv{index + 1}"] = x
        x = torch.relu(x)
    return maps


def distance(layers, criterion):
    """Returns the distances [3] of the two batches by the narrow VGG19."""
    import torch

    mean, deviation = torch.tensor(
        [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
    ).reshape(2, 1, 3, 1, 1)
    tensors = vgg_tensors(**VGG19)
    ours, theirs = (
        vgg_maps((_placed(batch) - mean) / deviation, tensors, VGG19["convolutions"])
        for batch in images()
    )
    apart = {"l1": torch.abs, "mse": torch.square}[criterion]
    return sum(
        weight * apart(ours[name] - theirs[name]).mean((1, 2, 3))
        for name, weight in layers.items()
    )


def lpips(net):
    """Returns LPIPS [3] of the two batches, by the narrow backbone."""
    import torch

    shift, scale = torch.tensor(
        [[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]]
    ).reshape(2, 1, 3, 1, 1)
    tensors, total = backbone(net), 0
    both = []
    for batch in images():
        x = (2 * _placed(batch) - 1 - shift) / scale
        if net == "alex":
            maps = alexnet_maps(x, tensors)
        else:
            maps = vgg_maps(x, tensors, VGG16["convolutions"])
        lasts = {name.split("_")[0]: torch.relu(m) for name, m in maps.items()}
        both.append([m / (m.norm(dim=1, keepdim=True) + 1e-10) for m in lasts.values()])
    weights = heads(BACKBONES[net]["widths"]).values()
    for ours, theirs, weight in zip(*both, weights, strict=True):
        apart = (ours - theirs) ** 2 * torch.from_numpy(weight)
        total = total + apart.sum(1).mean((1, 2))
    return total


def _placed(batch):
    import torch

    return torch.from_numpy(batch).permute(0, 3, 1, 2)


def main():
    """Writes the file."""
    import torch

    values: dict[str, Any] = {name: distance(*case) for name, case in DISTANCES.items()}
    values |= {f"lpips {net}": lpips(net) for net in BACKBONES}
    document: dict[str, Any] = {"versions": {"torch": torch.__version__}}
    for name, numbers in values.items():
        document[name] = [round(float(number), 9) for number in numbers]
    FILE.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
