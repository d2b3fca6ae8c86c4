"""What the tiles that restoring takes by default need of a GPU's time and memory."""

from collections.abc import Iterator

from benchmarks import inference
from benchmarks.gpu import contests, restore
from jaxrestore.inference import tiles

# A network by its name, and the sides of its tiles in px: the largest by default last.
NETWORKS = {
    "unet": tiles.SIDES[1:],
    "rrdbnet": tiles.SIDES[1:],
    "mwcnn": tiles.SIDES[-1:],
    "srvggnet": tiles.SIDES[-1:],
    "dncnn": tiles.SIDES[-1:],
    "drunet": tiles.SIDES[-1:],
    "nafnet": (tiles.WHOLE,),
}
LIMIT = 6 * 2**30  # bytes: the cards of many who restore pictures hold 8 GB


def rows(*, toy: bool) -> Iterator[contests.Row]:
    """Yields our networks in float32 on one tile: megapixels a second, GiB in all."""
    for network, sides in NETWORKS.items():
        for side in (32, 64)[: len(sides)] if toy else sides:
            generator, variables, image = restore.task(
                toy=toy, network=network, side=side
            )
            if toy:
                image = image.repeat(side // 32, 1).repeat(side // 32, 2)
            call = inference.ours(generator, variables, image)
            for row in contests.rows(
                {f"{network}, {side} px": call},
                work=restore.work(generator, variables, image, "float32"),
                toy=toy,
                amount=side**2 / 1e6,
                unit="MP",
            ):
                if call.workspace is not None and call.arguments is not None:
                    held = call.workspace + call.arguments
                    row |= {"GiB": held / 2**30, "fits 8 GB cards": held <= LIMIT}
                yield row
