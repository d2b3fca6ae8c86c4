"""The training step of a config in PyTorch: losses, two players, average, one step.

It computes what `jaxrestore.training.steps` does: one generator pass, the generator
moves first, the discriminator judges the image made before that move, both by Adam,
and the average of the generator takes in its statistics. What the package does beyond
this (guard against non-finite gradients, PSNR, accuracies) is left out, as PyTorch's
users do, and so counts against the package.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import torch_losses, torch_networks

_FIELDS = ("width", "blocks", "filters", "downs", "norm")


class Variant(NamedTuple):
    """How PyTorch runs. `compiler` is a mode of `torch.compile`; empty means eager."""

    compiler: str = ""
    channels_last: bool = False
    precision: str = "float32"
    device: str = "cpu"


def device() -> str:
    """Returns "cuda" where PyTorch has a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def variants(precision: str) -> dict[str, Variant]:
    """Returns the ways of running that are timed, by name, in this precision."""
    make = functools.partial(Variant, precision=precision, device=device())
    chosen = {
        "PyTorch eager": make(),
        "PyTorch eager, channels last": make(channels_last=True),
        "PyTorch compile": make("default"),
        "PyTorch compile, channels last": make("default", True),
    }
    if device() == "cuda":
        name = "PyTorch compile, channels last, CUDA graphs"
        chosen[name] = make("reduce-overhead", True)
    return chosen


def prepare() -> None:
    """Sets PyTorch as XLA is: TF32 products, convolutions by trial, no denormals."""
    allow_tf32(True)
    torch.backends.cudnn.benchmark = True
    torch.set_flush_denormal(True)


def allow_tf32(allowed: bool) -> None:
    """Lets float32 products on a GPU run in TF32, or forbids it."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def networks(config: Mapping[str, Any], run: Any = None) -> tuple[nn.Module, nn.Module]:
    """Returns generator and discriminator of `config` with the weights in `run`."""
    options = {k: v for k, v in config["generator"].items() if k in _FIELDS}
    generator = torch_networks.TWINS[config["generator"]["name"]](**options)
    judge = {k: config["discriminator"][k] for k in ("filters", "stages", "norm")}
    discriminator = torch_networks.PatchGan(**judge)
    if run is not None:
        for module, player in (
            (generator, run.generator),
            (discriminator, run.discriminator),
        ):
            torch_networks.load(module, {"params": player.params, **player.stats})
    return generator, discriminator


class TrainStep:
    """`step(target, degraded) -> terms`: moves both networks in place.

    Of the package's `config` it reads `objective`, `adversarial` (vanilla), `optimizer`
    (at constant rates) and `ema`. Images are as `place` makes them. The terms are
    0-d tensors and `restored`, not waited for.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        generator: nn.Module,
        discriminator: nn.Module,
        variant: Variant,
    ):
        """Moves the networks to the device; the first call compiles."""
        self._config, self._variant = config, variant
        self._layout = (
            torch.channels_last if variant.channels_last else torch.contiguous_format
        )
        self.generator = self._prepared(generator)
        self.discriminator = self._prepared(discriminator)
        self._generator_adam = self._adam("generator")
        self._discriminator_adam = self._adam("discriminator")
        self._average = [leaf.detach().clone() for leaf in self._averaged()]
        self._generator_loss, self._discriminator_loss = self._judged, self._contested
        if variant.compiler:
            ready = functools.partial(
                torch.compile, fullgraph=True, mode=variant.compiler
            )
            self._generator_loss = ready(self._judged)
            self._discriminator_loss = ready(self._contested)

    def place(self, images: np.ndarray) -> torch.Tensor:
        """Returns [b, h, w, c], uint8 or float32, as float32 [b, c, h, w] to train on.

        A uint8 image crosses to the device as such and is divided by 255 there.
        """
        there = torch.from_numpy(images).to(self._variant.device, non_blocking=True)
        if there.dtype == torch.uint8:
            there = there.float() / 255
        return there.permute(0, 3, 1, 2).contiguous(memory_format=self._layout)

    def __call__(
        self, target: torch.Tensor, degraded: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Returns the losses and the image restored before the update."""
        if self._variant.compiler == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        self.discriminator.requires_grad_(False)
        generator_loss, restored = self._generator_loss(target, degraded)
        self._move("generator", generator_loss, self._generator_adam)
        with torch.no_grad():
            current = [leaf.detach() for leaf in self._averaged()]
            share = 1 - self._config["ema"]
            torch._foreach_lerp_(self._average, current, share)  # pyright: ignore
        self.discriminator.requires_grad_(True)
        restored = restored.detach()
        loss = self._discriminator_loss(target, degraded, restored)
        self._move("discriminator", loss, self._discriminator_adam)
        return {
            "restored": restored,
            "generator/loss": generator_loss.detach(),
            "discriminator/loss": loss.detach(),
        }

    def gradient_norms(self) -> list[float]:
        """Returns the norms of both players' last gradients, after clipping."""
        networks = (self.generator, self.discriminator)
        grads = ([p.grad for p in network.parameters()] for network in networks)
        return [nn.utils.get_total_norm(grad).item() for grad in grads]

    def _prepared(self, network):
        network = network.to(self._variant.device, memory_format=self._layout)
        return network.train()

    def _adam(self, name):
        row = self._config["optimizer"][name]
        parameters = list(getattr(self, name).parameters())
        betas = (row["beta1"], row["beta2"])
        return torch.optim.Adam(parameters, row["rate"], betas, fused=True)

    def _averaged(self):
        buffers = self.generator.buffers()
        yield from self.generator.parameters()
        yield from (leaf for leaf in buffers if leaf.is_floating_point())

    def _move(self, name, loss, adam):
        adam.zero_grad(set_to_none=True)
        loss.backward()
        clip = self._config["optimizer"][name]["clip"]
        if clip:
            parameters = adam.param_groups[0]["params"]
            nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
        adam.step()

    def _narrow(self):
        narrow = self._variant.precision == "bfloat16"
        return torch.autocast(self._variant.device, torch.bfloat16, enabled=narrow)

    def _judged(self, target, degraded):
        with self._narrow():
            restored = self.generator(degraded)
            fake = self.discriminator(restored, degraded)
        weight = self._config["adversarial"]["weight"]
        total = weight * functional.softplus(-fake).mean()
        for name, weight in self._config["objective"]["restored"].items():
            total = total + weight * torch_losses.LOSSES[name](restored, target)
        return total, restored

    def _contested(self, target, degraded, restored) -> Any:
        gan = self._config["adversarial"]
        wrong = {
            "mismatched": lambda: torch.roll(target, 1, 0),
            "identity": lambda: degraded,
        }
        with self._narrow():
            real = self.discriminator(target, degraded)
            contests = [(1.0, self.discriminator(restored, degraded))]
            for name, image in wrong.items():
                if gan[name]:
                    logits = self.discriminator(image(), degraded)
                    contests.append((gan[name], logits))
        real = functional.softplus(-real).mean()
        return sum(
            weight * (real + functional.softplus(fake).mean()) / 2
            for weight, fake in contests
        )
