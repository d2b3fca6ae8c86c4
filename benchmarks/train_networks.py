"""Training steps of published networks beside the same weights in PyTorch.

    taskset -c 0,1 python -m benchmarks.train_networks --width 16 --blocks 1 --side 32
    python -m benchmarks.train_networks                     # on a GPU: as published

A step is forward and backward of the L1 distance to a target, and Adam at a constant
rate, of `rrdbnet` (x4) and of `nafnet`. Weights are random and equal on both sides, and
stay float32; the arithmetic is bfloat16 on a GPU (PyTorch's autocast there) and float32
on a CPU. PyTorch's networks are those of spandrel, in channels last, eager and
compiled.

Nothing is timed unless, in float32, a step from the same weights on the same batch
gives the same image (to 1e-4), the same loss and norm of the gradient (to 1e-3 of
them); in bfloat16, whose numbers have 8 bits, first losses agree to a twentieth. "share
of peak" counts the convolutions and products of our program, for all contestants alike,
and holds them against a large product of matrices of the same precision, measured in
the same run.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import harness, inference, operations
from jaxrestore import networks
from jaxrestore.training import allocator
from jaxrestore.weights import conversion

COLUMNS = ("network", "contestant", "ms", "quartiles", "images/s", "times ours")
COLUMNS += ("share of peak", "first call s")
PACKAGES = ("torch", "spandrel")
RATE = 1e-4
# Images of a batch and the side of what a network is given: on a GPU as published.
SIZES = {"rrdbnet": (16, 32), "nafnet": (8, 256)}
ON_A_CPU = (2, 32)


class Task(NamedTuple):
    """A network with its weights, and the batch that it is trained on."""

    generator: dict[str, Any]
    variables: dict[str, Any]
    degraded: np.ndarray
    target: np.ndarray


def main(argv: Sequence[str] | None = None):
    parser = harness.parser(__doc__)
    parser.add_argument("networks", nargs="*", help="rrdbnet, nafnet (default: both)")
    parser.add_argument("--batch", type=int, help="images")
    parser.add_argument("--side", type=int, help="of the degraded image, in pixels")
    parser.add_argument("--width", type=int, help="channels (default: as published)")
    parser.add_argument("--blocks", type=int, help="of nafnet: on each level")
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    # Before there are threads, those of PyTorch too.
    allocator.keep_freed_memory()
    options = harness.parse(parser, argv)
    gpu = jax.default_backend() == "gpu"
    precision = options.precision or ("bfloat16" if gpu else "float32")
    peak = harness.flops(8192 if gpu else 2048, jnp.dtype(precision))
    facts, records = {"operations per second of a matrix product": peak}, []
    for name in options.networks or SIZES:
        if name not in SIZES:
            parser.error(f"{name} is not among {', '.join(SIZES)}")
        task = task_of(name, options, gpu)
        found, rows = measure(task, precision, peak, options.rounds)
        facts |= {f"{name}, {fact}": value for fact, value in found.items()}
        records += rows
    harness.finish(
        f"train_networks_{precision}",
        options,
        records,
        columns=COLUMNS,
        facts=facts,
        packages=PACKAGES,
    )


def task_of(name: str, options: Any, gpu: bool) -> Task:
    """Returns the network and batch of a run's options."""
    batch, side = SIZES[name] if gpu and not options.small else ON_A_CPU
    width = options.width or (8 if options.small else None)
    blocks = options.blocks or (1 if options.small else None)
    generator: dict[str, Any] = {"name": name}
    if width:
        generator["width"] = width
    if blocks and name == "rrdbnet":
        generator["blocks"] = blocks
    elif blocks:
        levels = [blocks] * 4
        generator |= {"encoders": levels, "middle": blocks, "decoders": levels}
    model, variables = inference.random_network(generator)
    rng = np.random.default_rng(2)
    batch, side = options.batch or batch, options.side or side
    sides = (side, side * model.scale)
    images = (rng.random((batch, x, x, 3), np.float32) for x in sides)
    return Task(generator, variables, *images)


def measure(
    task: Task, precision: str, peak: float, rounds: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns what holds for all contestants, and a record of each.

    Raises `ValueError` where PyTorch's step is not ours.
    """
    rivals = bool(harness.peer("torch") and harness.peer("spandrel"))
    distances = check(task) if rivals else {}
    step, state = ours(task, precision)
    work = operations.count(step, state, task.degraded, task.target)
    calls = {"ours": _held(step, state, task)}
    if rivals:
        calls |= theirs(task, precision)
    first = _first_calls(calls, 1e-3 if precision == "float32" else 0.05)
    timings = harness.contest(calls, rounds=rounds)
    facts = {
        "options": json.dumps(task.generator),
        "batch": list(task.degraded.shape),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(task.variables)),
        "operations of a step": work,
        **distances,
    }
    records = [
        {
            "network": task.generator["name"],
            "contestant": name,
            **timing.record(),
            "images/s": len(task.degraded) / timing.median,
            "times ours": timing.median / timings["ours"].median,
            "share of peak": work / timing.median / peak,
            "first call s": first[name],
        }
        for name, timing in timings.items()
    ]
    return facts, records


def ours(task: Task, precision: str) -> tuple[Callable[..., Any], Any]:
    """Returns `(state, degraded, target) -> (state, terms)`, and its first state."""
    model = networks.build("Generator", task.generator, precision)
    adam = optax.adam(RATE)

    def distance(params, degraded, target):
        restored, _ = model.apply({"params": params}, degraded, train=True)
        return jnp.abs(restored - target).mean(), restored

    def step(state, degraded, target):
        params, moments = state
        differentiated = jax.value_and_grad(distance, has_aux=True)
        (loss, restored), gradient = differentiated(params, degraded, target)
        updates, moments = adam.update(gradient, moments, params)
        terms = {"loss": loss, "restored": restored, "gradient": gradient}
        return (optax.apply_updates(params, updates), moments), terms

    params = task.variables["params"]
    return step, (params, adam.init(params))


def _held(step, state, task):
    """A call is a step on; what it returns beside its state is its loss."""

    def loss_of(state, degraded, target):
        state, terms = step(state, degraded, target)
        return state, terms["loss"]

    batch = jax.device_put((task.degraded, task.target))
    return harness.Compiled(loss_of, state, *batch, carry=True)


class TorchStep:
    """A call is a step on, in PyTorch; it returns the loss, not waited for."""

    def __init__(self, task: Task, precision: str, compiled: bool):
        """Places the network and its batch; the first call compiles."""
        import spandrel
        import torch

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        tensors = conversion.to_torch(task.generator, task.variables)
        state = {n: torch.from_numpy(tensor.copy()) for n, tensor in tensors.items()}
        network = spandrel.ModelLoader().load_from_state_dict(state).model
        network = network.train().requires_grad_(True)
        self.network = network.to(self._device, memory_format=torch.channels_last)
        self._forward = torch.compile(self.network) if compiled else self.network
        self._batch = [self._placed(x) for x in (task.degraded, task.target)]
        self._narrow = precision == "bfloat16"
        parameters = self.network.parameters()
        self._adam = torch.optim.Adam(parameters, RATE, fused=True)
        self.restored: Any = None

    def __call__(self) -> Any:
        """Returns the loss before the update."""
        import torch

        self._adam.zero_grad(set_to_none=True)
        with torch.autocast(self._device, torch.bfloat16, enabled=self._narrow):
            self.restored = self._forward(self._batch[0])
        loss = (self.restored.float() - self._batch[1]).abs().mean()
        loss.backward()
        self._adam.step()
        return loss.detach()

    def gradient_norm(self) -> float:
        """Returns the norm of the last gradient."""
        import torch

        gradient = [p.grad for p in self.network.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradient).item()

    def _placed(self, images):
        import torch

        there = torch.from_numpy(images).permute(0, 3, 1, 2).to(self._device)
        return there.contiguous(memory_format=torch.channels_last)


def theirs(task: Task, precision: str) -> dict[str, Callable[[], Any]]:
    """Returns PyTorch's contestants; products of float32 on a GPU are in TF32."""
    from benchmarks import torch_steps

    torch_steps.prepare()
    return {
        f"PyTorch {how}, channels last": TorchStep(task, precision, how == "compile")
        for how in ("eager", "compile")
    }


def check(task: Task) -> dict[str, float]:
    """Returns how far PyTorch's first step is from ours in float32.

    Raises `ValueError` if that is too far to call it the same step.
    """
    from benchmarks import torch_steps

    torch_steps.allow_tf32(False)
    step, state = ours(task, "float32")
    with jax.default_matmul_precision("highest"):
        _, terms = jax.jit(step)(state, task.degraded, task.target)
    rival = TorchStep(task, "float32", compiled=False)
    loss = rival().item()
    restored = {"ours": terms["restored"], "PyTorch": rival.restored}
    restored["PyTorch"] = restored["PyTorch"].permute(0, 2, 3, 1)
    norm = float(optax.global_norm(terms["gradient"]))
    shares = np.array([loss / float(terms["loss"]), rival.gradient_norm() / norm])
    alike = {"ours": np.ones(2), "PyTorch": shares}
    return {
        "images differ by": harness.agree(restored, tolerance=1e-4)["PyTorch"],
        "loss and gradient differ by": harness.agree(alike, tolerance=1e-3)["PyTorch"],
    }


def _first_calls(calls, tolerance):
    """Seconds of each first call; their losses must be alike."""
    losses, seconds = {}, {}
    for name, call in calls.items():
        started = time.perf_counter()
        loss = harness.wait(call())
        seconds[name] = time.perf_counter() - started
        losses[name] = np.float64(harness.numbers(loss))
    first = next(iter(losses.values()))
    harness.agree({n: loss / first for n, loss in losses.items()}, tolerance=tolerance)
    return seconds


if __name__ == "__main__":
    main()
