"""Where the API has the pictures that pages show and offer."""

from jaxrestore.serving.values import Image, Job

API = "/api/v1"
_FORMATS = (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WebP"))
_DEEP = (("tiff", "TIFF, 16 bits"), ("png", "PNG, 16 bits"))


def original(image_id: str, side: int | None = None) -> str:
    """Returns where an image is shown, at most `side` px a side."""
    return f"{API}/images/{image_id}/preview" + (f"?max={side}" if side else "")


def result(job_id: str, side: int) -> str:
    """Returns where a job's result is shown, at most `side` px a side."""
    return f"{API}/jobs/{job_id}/result/preview?max={side}"


def on_the_way(job: Job) -> str:
    """Returns where the last picture of a fit is shown; it changes with each."""
    return f"{API}/jobs/{job.id}/preview?n={job.preview}"


def downloads(job_id: str, image: Image | None) -> list[tuple[str, str]]:
    """Returns (address, label) of each file that a result can be had as.

    Those of 16 bits come first where the input had them.
    """
    home = f"{API}/jobs/{job_id}/result"
    plain = [(f"{home}?format={name}&bits=8", label) for name, label in _FORMATS]
    if image is None or image.bits != 16:
        return plain
    deep = [(f"{home}?format={name}&bits=16", label) for name, label in _DEEP]
    return deep + plain


def archive(batch_id: str) -> str:
    """Returns where a batch's zip file is."""
    return f"{API}/batches/{batch_id}/result.zip"
