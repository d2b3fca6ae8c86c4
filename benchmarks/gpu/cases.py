"""What the kit measures, in order of value. Nothing is imported here.

A case is a call of `rows(toy=..., **options)` in the module `home`, which yields a row
whenever it has one. `seconds` is what it should need on an H100: a guess until a run
has told. `beside` marks what times nothing: all of these run first, side by side, so
that their minutes are spent once (PyTorch's compiler fills its cache there).
"""

from typing import Any, NamedTuple


class Case(NamedTuple):
    """A name that begins with the letter of its group, and how it is measured."""

    name: str
    home: str
    seconds: int
    options: dict[str, Any]
    beside: bool = False
    of: str = ""  # the case that needs it


def _step(system, crop, batch, precision, seconds, together=1):
    options = {"system": system, "crop": crop, "batch": batch, "precision": precision}
    name = f"b {system} {crop} px x {batch} {precision}"
    return Case(name, "step", seconds, options | {"together": together})


def _restore(network, side, precision, seconds):
    options = {"network": network, "side": side, "precision": precision}
    return Case(f"e {network} {side} px {precision}", "restore", seconds, options)


def _similarity(measure, batch, side, seconds):
    options = {"measure": measure, "batch": batch, "side": side}
    name = f"d {measure} {batch} x {side} px"
    return Case(name, "similarity", seconds, options)


def _programs(case, *only):
    """PyTorch compiles what `case` will time, or each of the rows `only` by itself."""
    letter, rest = case.name.split(" ", 1)
    for part in only or [""]:
        options = {"home": case.home, "only": part, **case.options}
        name = " ".join([letter, "programs of", rest, *part.split()])
        yield Case(name, "programs", 60, options, beside=True, of=case.name)


# The ways in which PyTorch compiles a step, as patterns of their names.
_VARIANTS = ("compile$", "last$", "graphs$")
_STEPS = (
    _step("gan_full", 128, 16, "bfloat16", 60),
    _step("pix2pix", 256, 1, "bfloat16", 60, together=16),
    _step("gan_full", 128, 64, "bfloat16", 60),
    _step("pix2pix", 256, 64, "bfloat16", 60),
    _step("gan_full", 128, 16, "float32", 60),
    _step("pix2pix", 256, 1, "float32", 60, together=16),
    _step("pix2pix", 256, 16, "bfloat16", 60),
    _step("gan_full", 128, 64, "float32", 60),
    _step("pix2pix", 256, 64, "float32", 60),
    _step("pix2pix", 256, 16, "float32", 60),
)
_RESTORES = (
    _restore("unet", 1024, "bfloat16", 25),
    _restore("rrdbnet", 256, "bfloat16", 40),
    _restore("nafnet", 512, "bfloat16", 30),
    _restore("mwcnn", 512, "bfloat16", 25),
    _restore("unet", 1024, "float32", 25),
    _restore("rrdbnet", 256, "float32", 40),
    _restore("nafnet", 512, "float32", 30),
    _restore("mwcnn", 512, "float32", 25),
)
_SIMILARITIES = (
    _similarity("ms_ssim", 16, 256, 25),
    _similarity("ms_ssim", 4, 1440, 25),
    _similarity("ssim", 16, 256, 20),
    _similarity("ssim", 4, 1440, 20),
)
_COLUMNS_OF_SIX = [
    Case(f"c shuffle {batch} x {side} px", "shuffle", 6, {"batch": batch, "side": side})
    for batch, side in (
        *((64, 128), (16, 128), (256, 128)),
        *((16, 256), (64, 256), (256, 256)),
    )
]
_LAYERS = [
    Case(f"f {kind} convolution", "layers", 25, {"kind": kind})
    for kind in ("transposed", "dilated", "strided")
] + [Case("f instance norm", "layers", 10, {"kind": "norm"})]
_RESUMING = [
    Case("g resume", "resume", 90, {"deterministic": False}, beside=True),
    Case("g resume deterministic", "resume", 90, {"deterministic": True}, beside=True),
]
_CHECKS = [
    Case(f"b agreement of {system}", "agreement", 60, {"system": system}, beside=True)
    for system in ("gan_full", "pix2pix")
]

CASES = (
    # Side by side, in this order; each of these two steps takes the longest by far.
    *_programs(_STEPS[0], *_VARIANTS),
    *_programs(_STEPS[1], *_VARIANTS),
    *_CHECKS,
    *_RESUMING,
    Case("d programs of fused-ssim", "fused_ssim", 60, {}, beside=True),
    *_programs(_SIMILARITIES[0]),
    *_programs(_SIMILARITIES[1]),
    *_programs(_RESTORES[0]),
    *_programs(_RESTORES[1]),
    *_programs(_STEPS[2], *_VARIANTS),
    *_programs(_STEPS[3], *_VARIANTS),
    *_programs(_RESTORES[2]),
    *_programs(_RESTORES[3]),
    # One after another, alone on the machine.
    Case("a device", "device", 15, {}),
    *_STEPS[:2],
    *_COLUMNS_OF_SIX[:3],
    *_SIMILARITIES[:2],
    *_RESTORES[:2],
    *_LAYERS,
    *_STEPS[2:4],
    Case("h training", "training", 170, {"seconds": 120}),
    *_RESTORES[2:4],
    Case("e photographs", "photographs", 60, {}),
    Case("e tiles", "tiles", 90, {}),
    *_STEPS[4:7],
    *_COLUMNS_OF_SIX[3:],
    *_SIMILARITIES[2:],
    Case("h arms", "arms", 120, {"arms": 8}),
    *_RESTORES[4:],
    *_STEPS[7:],
)
