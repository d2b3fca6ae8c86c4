#!/usr/bin/env bash
# torch 2.13.0, torch.onnx.export: a convolution that has taken in its batch
# normalisation is written under the name of the weight that it had before.
#
# Done: a convolution and a batch normalisation that multiplies by 2, in evaluation mode,
# exported with the default settings; read the initializers of the file by their names,
# which are those of the state dict.
#
# Seen: the file has `0.weight`, of the right shape and type, and its values are twice
# those of `0.weight` of the state dict. Nothing of the normalisation is left. With
# optimize=False the values are those of the state dict, and the normalisation is there.
#
# Why that surprises: names are all that ties an ONNX file to the network that it came
# from, and other initializers that the exporter makes have names of its own. Who reads
# the weights of a denoiser back by name gets a network that normalises twice.
#
# Instead: export with optimize=False what is to be read by name.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "torch==2.13.0" "onnx==1.23.2" "onnxscript==0.7.2" "numpy==2.4.6" || exit 2

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper

torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.BatchNorm2d(3, eps=0.0)
).eval()
network[1].weight.data.fill_(2.0)
network[1].running_var.fill_(1.0)
known = {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def initializers(name, **options):
    path = f"{sys.argv[1]}/{name}.onnx"
    image = torch.zeros(1, 2, 8, 8)
    torch.onnx.export(network, (image,), path, external_data=False, **options)
    graph = onnx.load(path).graph
    return {x.name: numpy_helper.to_array(x) for x in graph.initializer}


default, plain = initializers("default"), initializers("plain", optimize=False)
print("default:", sorted(default), "plain:", sorted(plain))
ratio = default["0.weight"] / known["0.weight"]
print("0.weight of the file over that of the state dict:", ratio.min(), ratio.max())
same = np.array_equal(plain["0.weight"], known["0.weight"])
gone = not any(name.startswith("1.") for name in default)
sys.exit(0 if np.allclose(ratio, 2) and same and gone and "1.weight" in plain else 1)
PYTHON
