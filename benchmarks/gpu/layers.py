"""Layers one by one, in the forms they may have, beside PyTorch's: the cases f.

Ours is the form that the package has today; where another is quicker on a device, that
device should have it. All are in bfloat16, with the gradients of all inputs.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness
from benchmarks.gpu import contests
from jaxrestore.models import layers
from jaxrestore.ops import convolution


class Layer(NamedTuple):
    """The images [b, h, w, c] and weights [k, k, c, d] of a layer, its forms by name.

    The transposed layer's weights are [k, k, d, c], and `norm` has none. Forms take
    (images, weights); the first is ours. `torch` takes them in PyTorch's order.
    """

    images: tuple[int, int, int, int]
    weights: tuple[int, ...]
    forms: dict[str, Callable[..., Any]]
    torch: Callable[..., Any]
    multiplications: float = 0


def rows(*, toy: bool, kind: str) -> Iterator[contests.Row]:
    """Yields the forms of each layer of a kind: its value, and that with gradients."""
    for name, layer in KINDS[kind](toy).items():
        images, weights, out = _arrays(layer)
        size = 2 * (images.size + weights.size + out.size)
        for what, passes in (("value", 1), ("gradient", 3)):
            calls = {
                f"{name}: {form}, {what}": _call(function, images, weights, out, what)
                for form, function in layer.forms.items()
            }
            if harness.peer("torch"):
                calls |= _torch_calls(name, layer, images, weights, out, what)
            work = contests.Work(
                2 * passes * layer.multiplications, passes * size, "bfloat16"
            )
            yield from contests.rows(
                calls,
                work=work,
                toy=toy,
                answer=_images,
                tolerance=0.1,
                in_flight=50,  # small layers: the host must stay ahead
                traced=True,
            )


def _images(name, result):
    """What a layer makes, or the gradient of what it is given."""
    return result if name.endswith("value") else result[1]


def _arrays(layer):
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.standard_normal(layer.images, np.float32), jnp.bfloat16)
    weights = 0.05 * rng.standard_normal(layer.weights, np.float32)
    weights = jnp.asarray(weights, jnp.bfloat16)
    form = next(iter(layer.forms.values()))
    shape = jax.eval_shape(form, images, weights)
    out = jnp.asarray(rng.standard_normal(shape.shape, np.float32), jnp.bfloat16)
    return images, weights, out


def _call(function, images, weights, out, what):
    if what == "value":
        return harness.Compiled(function, images, weights)

    def gradients(images, weights, out):
        # With what the layer makes: PyTorch cannot leave its forward pass out.
        made, back = jax.vjp(function, images, weights)
        return made, *back(out)

    return harness.Compiled(gradients, images, weights, out)


def _torch_calls(name, layer, images, weights, out, what):
    import torch

    from benchmarks import torch_steps

    torch_steps.prepare()
    calls = {}
    for how, layout in (
        ("eager", torch.contiguous_format),
        ("eager, channels last", torch.channels_last),
    ):
        x, y = (
            _placed(a, torch_steps.device()).permute(0, 3, 1, 2) for a in (images, out)
        )
        x, y = (a.contiguous(memory_format=layout) for a in (x, y))
        w = _placed(weights, torch_steps.device())
        if w.ndim == 4:
            w = w.permute(3, 2, 0, 1).contiguous(memory_format=layout)
        call = functools.partial(_torch_call, layer.torch, x, w, y, what)
        calls[f"{name}: PyTorch {how}, {what}"] = call
    return calls


def _placed(array, device):
    import torch

    return torch.from_numpy(np.asarray(array, np.float32)).to(device, torch.bfloat16)


def _torch_call(function, x, w, y, what):
    import torch

    if what == "value":
        with torch.no_grad():
            return function(x, w).permute(0, 2, 3, 1)
    inputs = [a.detach().requires_grad_() for a in (x, w) if a.numel()]
    result = function(inputs[0], inputs[-1])
    by_x, *rest = torch.autograd.grad(result, inputs, y)
    return [result, by_x.permute(0, 2, 3, 1), *rest]


def transposed(toy: bool) -> dict[str, Layer]:
    """Returns transposed convolutions of the U-Net of pix2pix, 4x4 with stride 2."""
    sizes = [(16, 64, 256, 128), (16, 16, 1024, 512), (1, 4, 1024, 512)]
    return {
        f"{batch} x {side} px, {taken} to {made} channels": Layer(
            images=(batch, side, side, taken),
            weights=(4, 4, made, taken),
            forms={
                "ours": lambda x, w: convolution.transposed(x, w, 2, 1),
                "by phases": lambda x, w: convolution._by_phases(
                    x, w, 2, 1, (2 * x.shape[1], 2 * x.shape[2])
                ),
                "XLA": _transposed_by_dilation,
            },
            torch=lambda x, w: _torch().conv_transpose2d(x, w, stride=2, padding=1),
            multiplications=batch * side**2 * taken * made * 16,
        )
        for batch, side, taken, made in ([(2, 8, 8, 4)] if toy else sizes)
    }


def _transposed_by_dilation(x, w):
    return jax.lax.conv_general_dilated(
        x,
        w[::-1, ::-1],
        (1, 1),
        [(2, 2), (2, 2)],
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
    )


def dilated(toy: bool) -> dict[str, Layer]:
    """Returns the dilated convolutions of inpainting networks, 3x3."""
    sizes = [(16, 64, 96, dilation) for dilation in (2, 4, 8, 16)]
    return {
        f"{batch} x {side} px, {width} channels, dilation {dilation}": Layer(
            images=(batch, side, side, width),
            weights=(3, 3, width, width),
            forms={
                "XLA": functools.partial(_dilated, dilation=dilation),
                "by phases": _ours_dilated(dilation, by_phases=True),
                "in one piece": _ours_dilated(dilation, by_phases=False),
            },
            torch=functools.partial(_torch_dilated, dilation=dilation),
            multiplications=batch * side**2 * width**2 * 9,
        )
        for batch, side, width, dilation in ([(2, 16, 4, 4)] if toy else sizes)
    }


def _dilated(x, w, *, dilation):
    return jax.lax.conv_general_dilated(
        x,
        w,
        (1, 1),
        [(dilation, dilation)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _ours_dilated(dilation, *, by_phases):
    return lambda x, w: convolution.dilated(x, w, dilation, by_phases=by_phases)


def _torch_dilated(x, w, *, dilation):
    return _torch().conv2d(x, w, padding=dilation, dilation=dilation)


def strided(toy: bool) -> dict[str, Layer]:
    """Returns the strided convolutions of pix2pix: first layers, and the deepest."""
    sizes = [(16, 256, 3, 64), (16, 256, 6, 64), (16, 64, 128, 256), (1, 8, 512, 512)]
    return {
        f"{batch} x {side} px, {taken} to {made} channels": Layer(
            images=(batch, side, side, taken),
            weights=(4, 4, taken, made),
            forms={
                "ours": lambda x, w: convolution.strided(x, w, 2, 1),
                "product": lambda x, w: convolution._by_windows(x, w, 2, 1),
                "XLA": lambda x, w: convolution._plain(x, w, 2, ((1, 1), (1, 1))),
            },
            torch=lambda x, w: _torch().conv2d(x, w, stride=2, padding=1),
            multiplications=batch * (side // 2) ** 2 * taken * made * 16,
        )
        for batch, side, taken, made in ([(2, 16, 3, 4)] if toy else sizes)
    }


def norm(toy: bool) -> dict[str, Layer]:
    """Returns instance normalisation, whose statistics are in float32."""
    batch, side, width = (2, 8, 4) if toy else (16, 128, 128)
    module = layers.Norm("instance", jnp.bfloat16)
    return {
        f"{batch} x {side} px, {width} channels": Layer(
            images=(batch, side, side, width),
            weights=(0,),
            forms={"ours": lambda x, w: module.apply({}, x, train=True)},
            torch=lambda x, w: _torch().instance_norm(x),
        )
    }


def _torch():
    return harness.peer("torch.nn.functional")


KINDS = {
    "transposed": transposed,
    "dilated": dilated,
    "strided": strided,
    "norm": norm,
}
