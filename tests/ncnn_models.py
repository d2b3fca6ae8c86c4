"""Small ncnn models for the tests, as the two tools that make them write graphs.

onnx2ncnn writes every layer and option, ncnnoptimize puts activations into convolutions
and weighted sums into one layer. Both copy a map by a layer `Split` for each user.
"""

from collections import Counter

import numpy as np

FLOAT16, FLOAT32 = b"\x47\x6b\x30\x01", bytes(4)


class Model:
    """A graph that grows layer by layer, and the weights of its layers."""

    def __init__(self, tensors, *, optimised, half):
        """Takes the tensors of a state dict by name."""
        self.tensors, self.optimised, self.half = tensors, optimised, half
        self.lines, self.weights = [("Input", "data", [], "data", "")], b""

    def layer(self, kind, inputs, options):
        """Adds a layer, and returns the map that it makes."""
        made = f"map{len(self.lines)}"
        self.lines.append((kind, f"{kind}_{len(self.lines)}", inputs, made, options))
        return made

    def conv(self, x, place, leaky=False):
        """Adds a convolution, perhaps with its activation."""
        kernel, bias = (self.tensors[f"{place}.{leaf}"] for leaf in ("weight", "bias"))
        flat = kernel.astype(np.float16) if self.half else kernel
        data = flat.tobytes()
        self.weights += FLOAT16 if self.half else FLOAT32
        self.weights += data + bytes(-len(data) % 4) + bias.tobytes()
        options = f"0={len(bias)} 1=3 4=1 5=1 6={kernel.size}"
        if self.optimised:
            inside = " 9=2 -23310=1,2.000000e-01" * leaky
            return self.layer("Convolution", [x], options + inside)
        options += " 11=3 2=1 12=1 3=1 13=1 14=1 15=1 16=1"
        x = self.layer("Convolution", [x], options)
        return self.layer("ReLU", [x], "0=2.000000e-01") if leaky else x

    def total(self, new, old):
        """Adds a sum of a fifth of a new map and an old one."""
        if self.optimised:
            shares = "0=1 -23301=2,2.000000e-01,1.000000e+00"
            return self.layer("Eltwise", [new, old], shares)
        fifth = self.layer("BinaryOp", [new], "0=2 1=1 2=2.000000e-01")
        return self.layer("BinaryOp", [fifth, old], "0=0")

    def files(self):
        """Returns the bytes of the `.param` and the `.bin`."""
        users = Counter(x for _, _, inputs, _, _ in self.lines for x in inputs)
        lines, turns = [], Counter()
        for kind, name, inputs, made, options in self.lines:
            taken = []
            for x in inputs:
                taken.append(f"{x}_{turns[x]}" if users[x] > 1 else x)
                turns[x] += 1
            maps = " ".join([*taken, made])
            lines.append(
                f"{kind:16} {name:12} {len(taken)} 1 {maps} {options}".rstrip()
            )
            if users[made] > 1:
                copies = " ".join(f"{made}_{turn}" for turn in range(users[made]))
                lines.append(f"Split {name}_split 1 {users[made]} {made} {copies}")
        head = f"7767517\n{len(lines)} {sum(users.values()) + 1}\n"
        return (head + "\n".join(lines) + "\n").encode(), self.weights


def rrdbnet(tensors, *, blocks=2, optimised=False, half=False):
    """Returns RRDBNet of scale 4 by the tensors of BasicSR's layout."""
    model = Model(tensors, optimised=optimised, half=half)
    first = h = model.conv("data", "conv_first")
    for block in range(blocks):
        before = h
        for part in (1, 2, 3):
            maps, place = [h], f"body.{block}.rdb{part}"
            for index in range(1, 6):
                x = model.layer("Concat", [*maps], "0=0") if len(maps) > 1 else h
                maps.append(model.conv(x, f"{place}.conv{index}", leaky=index < 5))
            h = model.total(maps[-1], h)
        h = model.total(h, before)
    h = model.layer("BinaryOp", [first, model.conv(h, "conv_body")], "0=0")
    for index in (1, 2):
        h = model.layer("Interp", [h], "0=1 1=2.000000e+00 2=2.000000e+00")
        h = model.conv(h, f"conv_up{index}", leaky=True)
    model.conv(model.conv(h, "conv_hr", leaky=True), "conv_last")
    return model


def compact(tensors, *, convs=3, scale=4, optimised=False, half=False):
    """Returns SRVGGNetCompact by the tensors of its layout."""
    model, h = Model(tensors, optimised=optimised, half=half), "data"
    for index in range(convs + 1):
        h = model.conv(h, f"body.{2 * index}")
        slopes = tensors[f"body.{2 * index + 1}.weight"]
        model.weights += slopes.tobytes()
        h = model.layer("PReLU", [h], f"0={len(slopes)}")
    h = model.conv(h, f"body.{2 * convs + 2}")
    h = model.layer("PixelShuffle", [h], f"0={scale}")
    enlarged = model.layer("Interp", ["data"], f"0=1 1={scale}.0e+00 2={scale}.0e+00")
    model.layer("BinaryOp", [h, enlarged], "0=0")
    return model
