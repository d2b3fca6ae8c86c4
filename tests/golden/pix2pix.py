"""Makes pix2pix.json: what the networks of pix2pix return in PyTorch.

    pip install torch==2.13.0
    python tests/golden/pix2pix.py

The networks are written here from their description, with PyTorch's functions; each
weight is drawn by `draw` from its name, so none is stored. `CASES` names the networks
of `jaxrestore.models` that `variables` gives the same weights.

Source: Isola et al., CVPR 2017, and pytorch-CycleGAN-and-pix2pix for what it leaves
open: the order within a level, biases, the border.
"""

import json
import zlib
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("pix2pix.json")
U_NET = {"filters": 8, "downs": 5, "norm": "batch"}
RES_NET = {"filters": 8, "blocks": 2, "norm": "batch"}
RESIZE = {**U_NET, "norm": "instance", "upsampling": "resize_conv"}
PATCH = {"filters": 8, "stages": 3, "norm": "batch"}
PIXEL = {"filters": 8, "norm": "batch"}
# (file in models/, its options, train, side of the images)
CASES = {
    "u_net": ("pix2pix_unet", U_NET, False, 32),
    "u_net in training": ("pix2pix_unet", U_NET, True, 32),
    "u_net instance resize_conv": ("pix2pix_unet", RESIZE, False, 32),
    "res_net": ("pix2pix_resnet", RES_NET, False, 32),
    "res_net in training": ("pix2pix_resnet", RES_NET, True, 32),
    "res_net instance": ("pix2pix_resnet", {**RES_NET, "norm": "instance"}, False, 32),
    "patch_gan": ("patchgan", PATCH, False, 64),
    "patch_gan in training": ("patchgan", PATCH, True, 64),
    "pixel_gan": ("pixel_gan", PIXEL, False, 8),
    "pixel_gan in training": ("pixel_gan", PIXEL, True, 8),
}


def images(side: int) -> list[np.ndarray]:
    """Returns two batches [2, side, side, 3] in [0, 1]; generators see the first."""
    generator = np.random.default_rng(side)
    return [generator.random((2, side, side, 3), np.float32) for _ in range(2)]


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a weight in PyTorch's layout, for `name` as `down1_norm.running_var`.

    Kernels keep about the variance of what passes them; nothing is 0 or 1.
    """
    kind = name.split(".")[-1]
    # Variances so large that nine residual blocks do not drive the tanh to its ends.
    centre, reach = {"weight": 1, "running_var": 2}.get(kind, 0), 0.5
    if len(shape) == 4:
        centre, reach = 0, (6 / (max(shape[:2]) * shape[2] * shape[3])) ** 0.5
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return (centre + generator.uniform(-reach, reach, shape)).astype(np.float32)


def variables(tree: dict, path: tuple[str, ...] = ()) -> dict:
    """Returns a Flax model's tree of variables with every leaf drawn by its name."""
    return {
        key: variables(value, (*path, key))
        if isinstance(value, dict)
        else _leaf((*path, key), value.shape)
        for key, value in tree.items()
    }


def _leaf(path, shape):
    layer = next(name for name in path if name not in ("params", "batch_stats"))
    if path[-1] == "kernel":  # [k, k, c, d], see `ops.convolution`
        weight = draw(f"{layer}.weight", tuple(shape[axis] for axis in (3, 2, 0, 1)))
        return weight.transpose(2, 3, 1, 0)
    names = {"scale": "weight", "mean": "running_mean", "var": "running_var"}
    return draw(f"{layer}.{names.get(path[-1], path[-1])}", shape)


def numbers(output: np.ndarray) -> np.ndarray:
    """Returns at most 72 numbers of [b, h, w, c], spread over all of it."""
    return np.ravel(output)[:: -(-output.size // 72)]


# PyTorch's side. Feature maps are [b, c, h, w].


def _weight(name, shape):
    import torch

    return torch.from_numpy(draw(name, shape))


def _conv(x, name, features, kernel, stride=1, padding=0, bias=True):
    import torch.nn.functional as functions

    weight = _weight(f"{name}.weight", (features, x.shape[1], kernel, kernel))
    offset = _weight(f"{name}.bias", (features,)) if bias else None
    return functions.conv2d(x, weight, offset, stride, padding)


def _doubled(x, name, features, kernel, bias, upsampling="deconv"):
    import torch.nn.functional as functions

    if upsampling == "resize_conv":
        x = functions.interpolate(x, scale_factor=2, mode="nearest")
        return _conv(x, name, features, 3, padding=1, bias=bias)
    weight = _weight(f"{name}.weight", (x.shape[1], features, kernel, kernel))
    offset = _weight(f"{name}.bias", (features,)) if bias else None
    return functions.conv_transpose2d(x, weight, offset, 2, 1, 4 - kernel)


def _normalised(x, name, norm, train):
    import torch.nn.functional as functions

    if norm == "instance":
        return functions.instance_norm(x)
    names = ("running_mean", "running_var", "weight", "bias")
    parts = [_weight(f"{name}.{part}", (x.shape[1],)) for part in names]
    return functions.batch_norm(x, *parts, training=train)


def u_net(image, *, filters, downs, norm, train, upsampling="deconv"):
    """Returns images in [-1, 1]: every level wraps the next, as in the reference."""
    import torch
    import torch.nn.functional as functions

    def level(x, depth, makes):
        outermost, innermost = depth == 0, depth == downs - 1
        width = filters * min(2**depth, 8)
        h = x if outermost else functions.leaky_relu(x, 0.2)
        h = _conv(h, f"down{depth}", width, 4, 2, 1, bias=norm != "batch")
        if not (outermost or innermost):
            h = _normalised(h, f"down{depth}_norm", norm, train)
        if not innermost:
            h = level(h, depth + 1, width)
        bias = outermost or norm != "batch"
        h = functions.relu(h)
        h = _doubled(h, f"up{depth}", makes, 4, bias, upsampling)
        if outermost:
            return torch.tanh(h)
        h = _normalised(h, f"up{depth}_norm", norm, train)
        return torch.cat([x, h], 1)

    return level(image, 0, 3)


def res_net(image, *, filters, blocks, norm, train):
    """Returns images in [-1, 1]."""
    import torch
    import torch.nn.functional as functions

    bias = norm != "batch"

    def mirrored(x, name, features, kernel, bias=bias):
        x = functions.pad(x, [kernel // 2] * 4, mode="reflect")
        return _conv(x, name, features, kernel, bias=bias)

    def normalised(x, name):
        return _normalised(x, f"{name}_norm", norm, train)

    h = torch.relu(normalised(mirrored(image, "first", filters, 7), "first"))
    for name, width in (("down1", 2 * filters), ("down2", 4 * filters)):
        h = torch.relu(normalised(_conv(h, name, width, 3, 2, 1, bias), name))
    for index in range(blocks):
        first, second = f"block{index}_conv1", f"block{index}_conv2"
        branch = torch.relu(normalised(mirrored(h, first, 4 * filters, 3), first))
        h = h + normalised(mirrored(branch, second, 4 * filters, 3), second)
    for name, width in (("up2", 2 * filters), ("up1", filters)):
        h = torch.relu(normalised(_doubled(h, name, width, 3, bias), name))
    return torch.tanh(mirrored(h, "last", 3, 7, bias=True))


def patch_gan(pair, *, filters, stages, norm, train):
    """Returns logits, one a patch."""
    import torch.nn.functional as functions

    h = functions.leaky_relu(_conv(pair, "conv0", filters, 4, 2, 1), 0.2)
    for stage in range(1, stages + 1):
        width, stride = filters * min(2**stage, 8), 2 if stage < stages else 1
        h = _conv(h, f"conv{stage}", width, 4, stride, 1, bias=norm != "batch")
        h = functions.leaky_relu(_normalised(h, f"norm{stage}", norm, train), 0.2)
    return _conv(h, "logits", 1, 4, 1, 1)


def pixel_gan(pair, *, filters, norm, train):
    """Returns logits, one a pixel."""
    import torch.nn.functional as functions

    bias = norm != "batch"
    h = functions.leaky_relu(_conv(pair, "conv0", filters, 1), 0.2)
    h = _normalised(_conv(h, "conv1", 2 * filters, 1, bias=bias), "norm1", norm, train)
    return _conv(functions.leaky_relu(h, 0.2), "logits", 1, 1, bias=bias)


def reference(network, options, train, side):
    """Returns the output [b, h, w, c] of PyTorch's network; images in [0, 1]."""
    import torch

    image, condition = (
        torch.from_numpy(2 * batch - 1).permute(0, 3, 1, 2) for batch in images(side)
    )
    networks = {"pix2pix_unet": u_net, "pix2pix_resnet": res_net}
    options = {**options, "train": train}
    with torch.no_grad():
        if network in networks:
            output = (networks[network](image, **options) + 1) / 2
        else:
            judge = {"patchgan": patch_gan, "pixel_gan": pixel_gan}[network]
            output = judge(torch.cat([condition, image], 1), **options)
    return output.permute(0, 2, 3, 1).numpy()


def main():
    """Writes the file."""
    import torch

    values = {
        name: [round(float(number), 7) for number in numbers(reference(*case))]
        for name, case in CASES.items()
    }
    document = {"versions": {"torch": torch.__version__}, **values}
    FILE.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
