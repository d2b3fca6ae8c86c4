"""Which side of a tile restores quickest, and how much memory it takes."""

from collections.abc import Iterator

from benchmarks import inference
from benchmarks.gpu import contests, restore

# The second is `restorer.restore_image`'s default.
SIDES = (512, 1024, 2048)
NETWORKS = ("unet", "rrdbnet", "nafnet", "mwcnn")
LIMIT = 6 * 2**30  # bytes: the cards of many who restore pictures hold 8 GB


def rows(*, toy: bool) -> Iterator[contests.Row]:
    """Yields our networks in bfloat16 on one tile: megapixels a second, GiB in all."""
    for network in NETWORKS:
        for side in (32, 64) if toy else SIDES:
            generator, variables, image = restore.task(
                toy=toy, network=network, side=side
            )
            if toy:
                image = image.repeat(side // 32, 1).repeat(side // 32, 2)
            call = inference.ours(generator, variables, image, "bfloat16")
            work = restore.work(generator, variables, image, "bfloat16")
            for row in contests.rows(
                {f"{network}, {side} px": call},
                work=work,
                toy=toy,
                amount=side**2 / 1e6,
                unit="MP",
                in_flight=2,
            ):
                if call.workspace is not None and call.arguments is not None:
                    held = call.workspace + call.arguments
                    row |= {"GiB": held / 2**30, "fits 8 GB cards": held <= LIMIT}
                yield row
