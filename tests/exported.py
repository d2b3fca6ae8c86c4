"""ONNX files for the tests of `exporting/`: made of functions, run, looked into."""

import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from jax import export

from jaxrestore.exporting import onnx_files, stablehlo_files


def any_images(channels):
    """Returns the shape of any number of images [b, h, w, c] of any size."""
    names = export.symbolic_shape("b, h, w")
    return jax.ShapeDtypeStruct((*names, channels), jnp.float32)


def traced(function, channels):
    """Returns the function as a jaxpr of images of any size."""
    return jax.make_jaxpr(function)(any_images(channels))


def program_of(function, channels):
    """Returns the StableHLO file of a function of images of so many channels."""
    return bytearray(stablehlo_files.written(function, any_images(channels)))


def file_of(function, channels, scale=1):
    """Returns the ONNX file of a function of images of so many channels."""
    made: Any = traced(function, channels)
    gives = made.out_avals[0].shape[-1]
    said = {"jaxrestore": "0"}
    return onnx_files.written(made, said, channels=gives, scale=scale)


def run(file, images):
    """Returns what ONNX Runtime makes of images [b, h, w, c] by a path or a content."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # of functions that enlarge and are not said to
    session = onnxruntime.InferenceSession(file, options)
    (made,) = session.run(None, {"image": images.transpose(0, 3, 1, 2)})
    return np.asarray(made).transpose(0, 2, 3, 1)


def operations(content):
    """Returns how often each operation stands in an ONNX file."""
    nodes = onnx.load_from_string(content).graph.node
    return collections.Counter(node.op_type for node in nodes)
