"""How many operations a function asks for, whatever device would run it."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np


def count(function: Callable[..., Any], *inputs: Any) -> float:
    """Returns the multiplications and additions of convolutions and matrix products.

    They are read off the traced program: on a GPU XLA does not count before it
    compiles, and afterwards it leaves out what libraries do. Inputs may be shapes.
    Zeros around an image and between the pixels of a transposed convolution do not
    count; a loop counts as often as it runs (`while` once), of the branches of a
    condition the longest.
    """
    program = jax.make_jaxpr(function)(*inputs).jaxpr
    return _of(program, [True] * len(program.outvars))


def _of(program, asked) -> float:
    """The operations that the outputs `asked` for need: no compiler does the others."""
    outputs = zip(program.outvars, asked, strict=True)
    needed = {v for v, wanted in outputs if wanted and not hasattr(v, "val")}
    total = 0.0
    for equation in reversed(program.eqns):
        wanted = [variable in needed for variable in equation.outvars]
        if any(wanted):
            needed.update(v for v in equation.invars if not hasattr(v, "val"))
            total += _operations(equation, wanted)
    return total


def _operations(equation, wanted) -> float:
    name, parameters = equation.primitive.name, equation.params
    if name == "dot_general":
        ((contracted, _), _) = parameters["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return 2.0 * _out(equation) * math.prod(left[axis] for axis in contracted)
    if name == "conv_general_dilated":
        return _of_convolution(equation)
    inside = []
    for program in _programs(parameters):
        # A call's outputs are its program's; of a loop all are taken to be needed.
        calls = name not in ("scan", "while", "cond")
        calls = calls and len(program.outvars) == len(wanted)
        inside.append(_of(program, wanted if calls else [True] * len(program.outvars)))
    if name == "cond":
        return max(inside)
    return sum(inside) * (parameters["length"] if name == "scan" else 1)


def _of_convolution(equation) -> float:
    parameters = equation.params
    image, kernel = (variable.aval.shape for variable in equation.invars)
    result = equation.outvars[0].aval.shape
    numbers = parameters["dimension_numbers"]
    places = zip(
        numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True
    )
    products = result[numbers.out_spec[0]] * result[numbers.out_spec[1]]
    products *= kernel[numbers.rhs_spec[1]]
    for number, (of_image, of_kernel, of_result) in enumerate(places):
        first = np.arange(result[of_result]) * parameters["window_strides"][number]
        taps = np.arange(kernel[of_kernel]) * parameters["rhs_dilation"][number]
        met = first[:, None] + taps - parameters["padding"][number][0]
        apart = parameters["lhs_dilation"][number]
        inside = (met >= 0) & (met <= (image[of_image] - 1) * apart)
        products *= int((inside & (met % apart == 0)).sum())
    return 2.0 * products


def _out(equation) -> int:
    return math.prod(equation.outvars[0].aval.shape)


def _programs(value) -> Iterator[Any]:
    if hasattr(value, "eqns"):
        yield value
    elif hasattr(value, "jaxpr"):
        yield from _programs(value.jaxpr)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _programs(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _programs(part)
