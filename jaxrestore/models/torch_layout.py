"""Where a network's variables stand in a published PyTorch state dict.

A generator with published weights says it in `torch_names`: from the path of every
leaf of its variables, as `params/body0/conv/kernel`, to the tensor's name there, or to
(name, shape) where the tensor is neither the leaf nor its transpose. A kernel of four
sides is the weight of PyTorch with its axes as `convolution.strided` and
`convolution.transposed` take them; `conversion.py` turns them.
"""

Name = str | tuple[str, tuple[int, ...]]


def conv(path: str, prefix: str, bias: bool = True) -> dict[str, Name]:
    """Returns the names of a `layers.Conv` or `layers.ConvTranspose`.

    `path` is its path in the network, as `block0/conv1`; `prefix` the module's name in
    PyTorch, as `body.0.conv1`. Without `bias` it has a kernel alone.
    """
    names: dict[str, Name] = {f"params/{path}/conv/kernel": f"{prefix}.weight"}
    if bias:
        names[f"params/{path}/conv/bias"] = f"{prefix}.bias"
    return names


def batch_norm(path: str, prefix: str) -> dict[str, Name]:
    """Returns the names of a `layers.Norm` of the kind `batch`, statistics included.

    PyTorch's `num_batches_tracked` has no counterpart and is left out.
    """
    return {
        f"params/{path}/batch/scale": f"{prefix}.weight",
        f"params/{path}/batch/bias": f"{prefix}.bias",
        f"batch_stats/{path}/batch/mean": f"{prefix}.running_mean",
        f"batch_stats/{path}/batch/var": f"{prefix}.running_var",
    }
