"""Layers that several networks share. Feature maps are [b, h, w, c]."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrestore.ops import convolution, patches

Features = Float[Array, "b h w c"]


class Conv(nn.Module):
    """Convolution with explicit padding: PyTorch's rule, or TensorFlow's `SAME`.

    `padding` pixels, by default half the kernel, are added on every side whatever the
    stride. `"same"` is TensorFlow's rule: the sides are divided by the stride, rounded
    up, and where that leaves an odd number to add, the end gets one more. A `dilation`
    above 1 is the gap of a window that keeps the sides. What is added are zeros inside
    the convolution itself: on CPUs a mirrored border makes the layer several times
    slower (`benchmarks/convolution_border.py`). Parameters are float32; the
    arithmetic is in `dtype`.
    """

    features: int
    kernel: int = 3
    stride: int = 1
    padding: int | Literal["same"] | None = None
    dilation: int = 1
    bias: bool = True
    spectral_norm: bool = False
    kernel_init: Callable[..., Any] = nn.initializers.he_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Features, *, train: bool = False
    ) -> Float[Array, "b hh ww d"]:
        """Returns the convolved map; `train` moves the spectral norm's estimate."""
        layer = _Weights(
            (self.kernel, self.kernel, x.shape[-1], self.features),
            functools.partial(
                _convolved,
                stride=self.stride,
                padding=self.kernel // 2 if self.padding is None else self.padding,
                dilation=self.dilation,
            ),
            self.bias,
            self.kernel_init,
            self.dtype,
            name="conv",
        )
        if not self.spectral_norm:
            return layer(x)
        return nn.SpectralNorm(layer, name="norm")(x, update_stats=train)


def _convolved(x, kernel, *, stride, padding, dilation):
    if dilation > 1:
        return convolution.dilated(x, kernel, dilation)
    if padding == "same":
        x, padding = _as_tensorflow(x, len(kernel), stride)
    return convolution.strided(x, kernel, stride, padding)


def _as_tensorflow(x, kernel, stride):
    """`x` with what its ends have more than the least, and the least: a padding."""
    rooms = [max(kernel - (side % stride or stride), 0) for side in x.shape[1:3]]
    least = min(rooms) // 2
    more = [(room // 2 - least, room - room // 2 - least) for room in rooms]
    return jnp.pad(x, ((0, 0), *more, (0, 0))), least


class ConvTranspose(nn.Module):
    """Transposed convolution by PyTorch's rule: see `convolution.transposed`.

    Its kernel is [k, k, features, channels of x]. Parameters are float32; the
    arithmetic is in `dtype`.
    """

    features: int
    kernel: int = 4
    stride: int = 2
    padding: int = 1
    output_padding: int = 0
    bias: bool = True
    kernel_init: Callable[..., Any] = nn.initializers.he_normal(in_axis=-1, out_axis=-2)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Features) -> Float[Array, "b hh ww d"]:
        """Returns the map, `stride` times larger with the usual padding."""
        apply = functools.partial(
            convolution.transposed,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )
        shape = (self.kernel, self.kernel, self.features, x.shape[-1])
        return _Weights(
            shape, apply, self.bias, self.kernel_init, self.dtype, name="conv"
        )(x)


class _Weights(nn.Module):
    """A kernel, perhaps a bias, and the function that applies the kernel."""

    shape: tuple[int, int, int, int]
    apply_kernel: Callable[..., Any]
    bias: bool
    kernel_init: Callable[..., Any]
    dtype: Any

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", self.kernel_init, self.shape)
        y = self.apply_kernel(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, y.shape[-1:])
        return y + bias.astype(self.dtype)


class Block(nn.Module):
    """`h + scale * conv(relu(conv(h)))`, no normalisation.

    Source: Lim et al., "Enhanced Deep Residual Networks for Single Image
    Super-Resolution" (EDSR), CVPRW 2017. The factor keeps the variance of a deep
    stack in bounds; it stands before no last layer, where it could freeze the output.
    """

    scale: float = 0.3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Features) -> Features:
        """Returns a map of the same shape."""
        width = x.shape[-1]
        h = nn.relu(Conv(width, dtype=self.dtype, name="conv1")(x))
        return x + self.scale * Conv(width, dtype=self.dtype, name="conv2")(h)


class Norm(nn.Module):
    """Normalisation by name: `none`, `instance` or `batch`; statistics in float32.

    Both use epsilon 1e-5 and PyTorch's momentum (0.9 here); `instance` has no
    parameters, as in pix2pix. Batch statistics are those of the global batch.

    The running variance averages variances over n values, images times pixels, where
    PyTorch averages those over n - 1: it is (n - 1) / n of PyTorch's, 0.75 for 2x2 maps
    of single images and 0.94 for 4x4. Nothing else, and no gradient, depends on it.
    """

    kind: str
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Features, *, train: bool) -> Features:
        """Returns `x` normalised.

        Raises `ValueError` for an unknown kind, and for `batch` in training when a
        channel has a single value, which would be normalised to 0 whatever it is.
        """
        if self.kind == "none":
            return x
        if self.kind == "instance":
            x32 = x.astype(jnp.float32)
            mean = x32.mean((1, 2), keepdims=True)
            variance = jnp.square(x32 - mean).mean((1, 2), keepdims=True)
            return ((x32 - mean) * jax.lax.rsqrt(variance + 1e-5)).astype(self.dtype)
        if self.kind == "batch":
            if train and x.size == x.shape[-1]:
                raise ValueError(
                    "batch normalisation of one image of 1x1 px has no statistics; "
                    "train on two images or more at a time, or on larger ones"
                )
            return nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                epsilon=1e-5,
                scale_init=_around_one,
                dtype=self.dtype,
                name="batch",
            )(x)
        raise ValueError(f"norm is {self.kind!r}; it must be none, instance or batch")


def _around_one(key, shape, dtype=jnp.float32):
    # pix2pix draws the scale of batch normalisation from N(1, 0.02).
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


def residual_output(channels: int, dtype: Any, name: str) -> Conv:
    """Returns the last layer of a residual network: linear, zero-initialised.

    The network starts at the identity by its zeros alone. A ReLU or a small factor
    before it can stop there for good: under L1 the gradient keeps its size near the
    identity, drives the ReLU negative and dies with it.
    """
    zeros = nn.initializers.zeros
    return Conv(channels, kernel_init=zeros, dtype=dtype, name=name)


def initializer(kind: str, gain: float) -> Callable[..., Any]:
    """Returns how pix2pix draws kernels, by the name it has there.

    Standard deviations: `normal` `gain`; `xavier` gain * sqrt(2 / (in + out));
    `kaiming` sqrt(2 / in), whatever the gain; `orthogonal` has orthogonal rows or
    columns of length `gain`. `in` is the area of the kernel times the channels it
    takes, `out` times those it makes; of a transposed convolution, as in PyTorch, the
    other way round. `Norm` draws its scale from N(1, 0.02) at every gain, the
    reference from N(1, gain). Raises `ValueError` for an unknown name.

    Source: `init_weights` of pytorch-CycleGAN-and-pix2pix; Glorot, Bengio, AISTATS
    2010; He et al., ICCV 2015; Saxe et al., ICLR 2014.
    """
    # The last two sides of a kernel of `ops.convolution` are the second and the first
    # of PyTorch's weight, transposed or not: one rule serves both.
    scaling = functools.partial(nn.initializers.variance_scaling, distribution="normal")
    if kind == "normal":
        return nn.initializers.normal(gain)
    if kind == "xavier":
        return scaling(gain**2, "fan_avg")
    if kind == "kaiming":
        return scaling(2.0, "fan_in")
    if kind == "orthogonal":
        return nn.initializers.orthogonal(gain)
    raise ValueError(
        f"initialization is {kind!r}; it must be normal, xavier, kaiming or orthogonal"
    )


def upsampled(
    x: Features,
    features: int,
    *,
    method: str,
    name: str,
    kernel_init: Callable[..., Any],
    kernel: int = 4,
    bias: bool = True,
    dtype: Any = jnp.float32,
) -> Float[Array, "b hh ww d"]:
    """Returns a map of twice the sides, by the layer `name` of the calling network.

    `deconv` is a transposed convolution of stride 2 and `kernel` 3 or 4, which can
    draw a checkerboard. `resize_conv` repeats every pixel before a 3x3 convolution and
    cannot. `subpixel` makes the four pixels as channels of a 3x3 convolution, whose
    weights start alike for the four. Raises `ValueError` for an unknown method.

    Source: Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016; Shi
    et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network", CVPR 2016; Aitken et al.,
    "Checkerboard artifact free sub-pixel convolution", arXiv 2017.
    """
    if method == "deconv":
        room = 4 - kernel  # what a kernel of 3 leaves of twice the sides
        deconv = functools.partial(ConvTranspose, kernel=kernel, output_padding=room)
        return deconv(
            features, bias=bias, kernel_init=kernel_init, dtype=dtype, name=name
        )(x)
    conv = functools.partial(Conv, bias=bias, dtype=dtype, name=name)
    if method == "resize_conv":
        return conv(features, kernel_init=kernel_init)(x.repeat(2, 1).repeat(2, 2))
    if method == "subpixel":
        alike = _alike_for_the_four(kernel_init)
        return patches.depth_to_space(conv(4 * features, kernel_init=alike)(x), 2)
    raise ValueError(
        f"upsampling is {method!r}; it must be deconv, resize_conv or subpixel"
    )


def _alike_for_the_four(kernel_init):
    def init(key, shape, dtype=jnp.float32):
        *others, features = shape
        one = kernel_init(key, (*others, features // 4), dtype)
        return jnp.tile(one, 4)  # `depth_to_space` counts features fastest

    return init
