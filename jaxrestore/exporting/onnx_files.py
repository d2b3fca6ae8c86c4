"""ONNX graphs written out; the only module that imports onnx."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxrestore import errors
from jaxrestore.exporting import graphs, jaxprs, tidying

OPSET, FORMAT = 18, 8  # what ONNX Runtime reads since 1.14
MOST = 2**31 - 2**24  # bytes of weights: a file has fewer than 2 GiB


def written(
    traced: Any, said: Mapping[str, Any], *, channels: int, scale: int
) -> bytes:
    """Returns the ONNX file of a function of images [b, h, w, c] with named sides.

    `traced` is what `jax.make_jaxpr` made of that. The file takes `image`, float32
    [batch, c, height, width], and returns `restored`, of so many `channels` and `scale`
    times as large. What is `said` of it is its metadata, JSON where it is no text.
    Raises `ConfigError` without the package onnx, and `NotImplementedError` as
    `jaxprs.graph_of`.
    """
    try:
        import onnx
    except ImportError as error:
        raise errors.ConfigError(
            "ONNX files are written by the package onnx, which is not installed; "
            "pip install 'jaxrestore[export]'"
        ) from error
    graph = jaxprs.graph_of(traced)
    tidying.tidy(graph)
    if sum(array.nbytes for array in graph.arrays.values()) > MOST:
        raise NotImplementedError("weights of 2 GiB")
    takes = traced.in_avals[0].shape[-1]
    sides = ["height", "width"]
    larger = sides if scale == 1 else [f"{scale} * {side}" for side in sides]
    floats = onnx.TensorProto.FLOAT
    info = onnx.helper.make_tensor_value_info
    whole = onnx.helper.make_graph(
        [_node(onnx, node) for node in graph.nodes],
        "restore",
        [info(graphs.INPUT, floats, ["batch", takes, *sides])],
        [info(graphs.OUTPUT, floats, ["batch", channels, *larger])],
        [onnx.numpy_helper.from_array(a, name) for name, a in graph.arrays.items()],
    )
    model = onnx.helper.make_model(
        whole,
        ir_version=FORMAT,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name="jaxrestore",
        producer_version=str(said["jaxrestore"]),
    )
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in said.items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _node(onnx, node):
    attributes = {
        name: _body(onnx, value) if isinstance(value, graphs.Graph) else value
        for name, value in node.attributes.items()
    }
    if node.op == "Cast":
        attributes["to"] = getattr(onnx.TensorProto, attributes["to"])
    return onnx.helper.make_node(node.op, node.inputs, node.outputs, **attributes)


def _body(onnx, graph):
    def info(name, dtype, axes):
        dtype = np.dtype("int64" if np.issubdtype(dtype, np.integer) else dtype)
        kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return onnx.helper.make_tensor_value_info(name, kind, [None] * axes)

    kinds = zip(graph.outputs, graph.inputs[1:], strict=True)  # but the round's number
    return onnx.helper.make_graph(
        [_node(onnx, node) for node in graph.nodes],
        "body",
        [info(*one) for one in graph.inputs],
        [info(name, dtype, axes) for name, (_, dtype, axes) in kinds],
    )
