"""Makes published.json: what published networks return in PyTorch, in their names.

    pip install torch==2.15.0 spandrel==0.4.2
    PYTHONPATH=. python tests/golden/published.py

spandrel builds small variants of them and is given the weights, each drawn by `draw`
from its name, so that none is stored: the names and shapes are, and part of the output.
Those that it does not know, the U-Net of pix2pix, FFDNet and, among the benchmarks,
MWCNN, are written from their description, so that their tensors have the names of the
reference codes. Two files that torch.save wrote are stored too, one of each format.

Source: MWCNN_PyTorch of Liu; pytorch-CycleGAN-and-pix2pix of Zhu et al.; KAIR of Zhang.
"""

import base64
import io
import itertools
import json
import re
import zlib
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("published.json")
HEIGHT, WIDTH = 19, 23
KEPT = 240  # numbers of each output
# The layouts of RRDBNet before and after the names of 2018, as (pattern, name) pairs.
NAMES_OF_2019 = (
    (r"model\.0\.", "conv_first."),
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"RRDB_trunk.\1.RDB\2.conv\3."),
    (r"model\.1\.sub\.\d+\.(weight|bias)", r"trunk_conv.\1"),
    (r"model\.3\.", "upconv1."),
    (r"model\.6\.", "upconv2."),
    (r"model\.8\.", "HRconv."),
    (r"model\.10\.", "conv_last."),
)
TODAYS_NAMES = (
    *NAMES_OF_2019,
    (r"RRDB_trunk\.(\d+)\.RDB", r"body.\1.rdb"),
    ("trunk_conv", "conv_body"),
    ("upconv", "conv_up"),
    ("HRconv", "conv_hr"),
)


def image(channels: int) -> np.ndarray:
    """Returns the image [1, HEIGHT, WIDTH, channels] that the networks see."""
    generator = np.random.default_rng(channels)
    return generator.random((1, HEIGHT, WIDTH, channels), np.float32)


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the tensor of a name and a shape; nothing in it is 0 or 1.

    Kernels halve the variance of what passes them: skips and residuals add to it.
    """
    kind = name.split(".")[-1]
    centre, reach = {"weight": 1, "running_var": 2}.get(kind, 0), 0.5
    if len(shape) == 4:
        centre, reach = 0, (3 / (max(shape[:2]) * shape[2] * shape[3])) ** 0.5
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return (centre + generator.uniform(-reach, reach, shape)).astype(np.float32)


def state_dict(shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Returns the tensors of which `shapes` has the names, counts of batches too."""
    counts = {n for n in shapes if n.endswith("num_batches_tracked")}
    drawn = {n: draw(n, tuple(s)) for n, s in shapes.items() if n not in counts}
    return {n: np.array(7, np.int64) if n in counts else drawn[n] for n in shapes}


def numbers(output: np.ndarray) -> np.ndarray:
    """Returns at most `KEPT` numbers of the output, spread over all of it."""
    return np.ravel(output)[:: -(-output.size // KEPT)]


# PyTorch's side. Feature maps are [b, c, h, w].


def u_net(inputs, channels, filters, downs, norm):
    """Returns the U-Net of pix2pix on images in [0, 1]: each level wraps the next."""
    import torch
    from torch import nn

    biased = norm is nn.InstanceNorm2d

    class Level(nn.Module):
        def __init__(self, depth):
            super().__init__()
            self.outermost = depth == 0
            width = filters * min(2**depth, 8)
            outer = filters * min(2 ** max(depth - 1, 0), 8)
            taken, made = (inputs, channels) if self.outermost else (outer, outer)
            inner = [] if depth == downs - 1 else [Level(depth + 1)]
            down = nn.Conv2d(taken, width, 4, 2, 1, bias=biased)
            up = nn.ConvTranspose2d(
                width * (1 + len(inner)), made, 4, 2, 1, bias=biased or self.outermost
            )
            parts = [down, *inner, nn.ReLU(), up]
            if self.outermost:
                parts.append(nn.Tanh())
            else:
                parts = [nn.LeakyReLU(0.2), *parts, norm(made)]
                parts[2:2] = [norm(width)] if inner else []
            self.model = nn.Sequential(*parts)

        def forward(self, x):
            y = self.model(x)
            return y if self.outermost else torch.cat([x, y], 1)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = Level(0)

        def forward(self, x):
            return (self.model(2 * x - 1) + 1) / 2

    return Network()


def ffdnet(channels, width, depth):
    """Returns FFDNet on images whose last channel is the level of the noise."""
    import torch
    from torch import nn

    sizes = [4 * channels + 1, *[width] * (depth - 1), 4 * channels]
    stack = []
    for taken, made in itertools.pairwise(sizes):
        stack += [nn.Conv2d(taken, made, 3, padding=1), nn.ReLU()]

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(*stack[:-1])

        def forward(self, x):
            height, width = x.shape[2:]
            frame = (0, width % 2, 0, height % 2)
            x = nn.functional.pad(x, frame, mode="replicate")
            squares = nn.functional.pixel_unshuffle(x[:, :-1], 2)
            level = nn.functional.avg_pool2d(x[:, -1:], 2)
            y = self.model(torch.cat([squares, level], 1))
            return nn.functional.pixel_shuffle(y, 2)[..., :height, :width]

    return Network()


def modules():
    """Returns by case: a module, its input channels, new names, and what sides divide.

    Modules of spandrel are built for the names and shapes of their tensors alone.
    """
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.DnCNN import DnCNN
    from spandrel.architectures.DRUNet import DRUNet
    from spandrel.architectures.ESRGAN import ESRGAN
    from spandrel.architectures.NAFNet import NAFNet
    from torch import nn

    from benchmarks import torch_networks

    small = {"num_filters": 8, "scale": 4}
    x4 = ESRGAN(num_blocks=2, **small)
    x2 = ESRGAN(num_blocks=1, in_nc=12, shuffle_factor=2, **small)
    x1 = ESRGAN(num_blocks=1, in_nc=48, shuffle_factor=4, **small)
    nafnet = NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 2], dec_blk_nums=[1, 1])
    dncnn = {"nc": 8, "nb": 9, "mode": "DnCNN"}
    drunet = {"nc": [4, 6, 8, 10], "nb": 2, "act_mode": "R"}
    drunet |= {"downsample_mode": "strideconv", "upsample_mode": "convtranspose"}
    return {
        "rrdbnet x4, names of 2018": (x4, 3, (), 1),
        "rrdbnet x4, names of 2019": (x4, 3, NAMES_OF_2019, 1),
        "rrdbnet x2": (x2, 3, TODAYS_NAMES, 1),
        "rrdbnet x1": (x1, 3, TODAYS_NAMES, 1),
        "srvggnet x4": (Compact(num_feat=8, num_conv=3, upscale=4), 3, (), 1),
        "nafnet": (nafnet, 3, (), 1),
        "dncnn gray": (DnCNN(in_nc=1, out_nc=1, act_mode="BR", **dncnn), 1, (), 1),
        "dncnn without norm": (
            DnCNN(in_nc=3, out_nc=3, act_mode="R", **dncnn),
            3,
            (),
            1,
        ),
        "drunet": (DRUNet(in_nc=4, out_nc=3, **drunet), 4, (), 8),
        "ffdnet": (ffdnet(channels=3, width=8, depth=4), 4, (), 1),
        "mwcnn gray": (
            torch_networks.Mwcnn(widths=(6, 8, 8), convs=2, channels=1),
            1,
            (),
            8,
        ),
        "pix2pix_unet batch": (u_net(3, 3, 4, 3, nn.BatchNorm2d), 3, (), 8),
        "pix2pix_unet instance": (u_net(1, 3, 4, 3, nn.InstanceNorm2d), 1, (), 8),
    }


def shapes_of(module, names):
    """Returns the shapes of a module's tensors by name, renamed by (pattern, name)."""
    shapes = {}
    for name, tensor in module.state_dict().items():
        for pattern, new in names:
            name = re.sub(f"^{pattern}", new, name)
        shapes[name] = list(tensor.shape)
    return shapes


def output(module, state, channels, divides):
    """Returns what PyTorch's network with these tensors gives of `image`."""
    import spandrel
    import torch

    state = {name: torch.from_numpy(tensor) for name, tensor in state.items()}
    if type(module).__module__.startswith("spandrel"):
        module = spandrel.ModelLoader().load_from_state_dict(state).model
    else:
        module.load_state_dict(state)
    return applied(module.eval(), channels, divides)


def applied(module, channels, divides):
    """Returns what a network of PyTorch gives of `image`, [b, h, w, c].

    The image is mirrored to the right and below to sides that `divides` divides.
    """
    import torch
    from torch import nn

    x = torch.from_numpy(image(channels)).permute(0, 3, 1, 2)
    frame = (0, -WIDTH % divides, 0, -HEIGHT % divides)
    padded = nn.functional.pad(x, frame, mode="reflect")
    with torch.no_grad():
        y = module(padded)
    scale = y.shape[2] // padded.shape[2]
    y = y[:, :, : HEIGHT * scale, : WIDTH * scale]
    return y.permute(0, 2, 3, 1).numpy()


def files():
    """Returns by format what torch.save writes of tensors of every type, as base64."""
    import torch

    row = torch.arange(6).reshape(2, 3)
    kinds = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16")
    kinds += ("int8", "uint8", "bool")
    state = torch.nn.Module().state_dict()  # an OrderedDict with attributes
    state |= {f"module.{kind}": row.to(getattr(torch, kind)) for kind in kinds}
    state["module.transposed"] = state["module.float32"].T
    state["module.part"] = state["module.float32"][1:, ::2]
    state["module.scalar"] = torch.tensor(2.5)
    state["module.empty"] = torch.zeros(0, 4)
    state["module.parameter"] = torch.nn.Parameter(torch.ones(2))
    written = {}
    for kind, is_zip in (("zip", True), ("older", False)):
        stream = io.BytesIO()
        document = {
            "epoch": 3,
            "state_dict": state,
            "note": "naïve",
            "best": [1.5, None],
        }
        torch.save(document, stream, _use_new_zipfile_serialization=is_zip)
        written[kind] = base64.b64encode(stream.getvalue()).decode()
    return written


def main():
    """Writes the file."""
    import spandrel
    import torch

    versions = {"torch": torch.__version__, "spandrel": spandrel.__version__}
    document = {"versions": versions, "files": files()}
    for case, (module, channels, names, divides) in modules().items():
        shapes = shapes_of(module, names)
        restored = output(module, state_dict(shapes), channels, divides)
        print(case, restored.shape, restored.std())
        document[case] = {
            "inputs": channels,
            "shapes": shapes,
            "output": list(restored.shape),
            "numbers": [round(float(number), 5) for number in numbers(restored)],
        }
    FILE.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
