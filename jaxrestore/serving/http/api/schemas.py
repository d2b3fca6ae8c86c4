"""What goes over the wire as JSON: the shapes that OpenAPI describes."""

import dataclasses
import datetime
from typing import Annotated, Any, Literal

import pydantic
from fastapi import Path

from jaxrestore.serving import values

ROOT = "/api/v1"
HEX = "^[0-9a-f]{32}$"
_ID = "8f14e45fceea167a5a36dedd4bea2543"
_OTHER = "c9f0f895fb98ab9159f51fd0297e236d"

# Ids are looked up, not checked: of a wrong one there is nothing, 404.
Id = Annotated[
    str,
    Path(
        description="32 hexadecimal digits.",
        openapi_examples={"an id": {"value": _ID}},
    ),
]
Format = Literal["png", "jpeg", "webp", "tiff", "avif"]
Reason = Literal[
    "too_smooth", "still_damaged", "invented", "wrong_colors", "too_slow", "other"
]


class _Sent(pydantic.BaseModel):
    """What clients send; a key that is not known is refused."""

    model_config = pydantic.ConfigDict(extra="forbid")


class Image(pydantic.BaseModel):
    """An upload, decoded and upright."""

    id: str = pydantic.Field(pattern=HEX, examples=[_ID])
    width: int = pydantic.Field(examples=[640])
    height: int = pydantic.Field(examples=[480])
    channels: int = pydantic.Field(description="1 is grey; 2 and 4 end in alpha.")
    bit_depth: int = pydantic.Field(description="8, or 16.", examples=[8])
    alpha: bool
    format: str = pydantic.Field(examples=["PNG"])
    bytes: int = pydantic.Field(examples=[312_345])
    sha256: str = pydantic.Field(description="Of what was uploaded.")
    created_at: datetime.datetime
    expires_at: datetime.datetime = pydantic.Field(description="Then it is deleted.")
    preview_url: str = pydantic.Field(examples=[f"{ROOT}/images/{_ID}/preview"])


class Mask(pydantic.BaseModel):
    """What is missing of an image: white where it is."""

    id: str = pydantic.Field(pattern=HEX, examples=[_OTHER])
    image_id: str = pydantic.Field(pattern=HEX, examples=[_ID])


class Network(pydantic.BaseModel):
    """A network, by the name and the SHA-256 of its weights."""

    name: str = pydantic.Field(examples=["sr_x4"])
    scale: int = pydantic.Field(description="What sides grow by.")
    architecture: str
    license: str
    sha256: str


class Task(pydantic.BaseModel):
    """What can be done to an image, and by what."""

    name: str = pydantic.Field(examples=["denoise"])
    label: str = pydantic.Field(examples=["Remove noise"])
    help: str
    methods: list[str] = pydantic.Field(description="At hand, the best one first.")
    why_not: dict[str, str] = pydantic.Field(description="Why others are not.")
    params: dict[str, Any] = pydantic.Field(description="JSON Schema of `params`.")
    scales: list[int] = pydantic.Field(description="What sides may grow by.")
    needs_mask: bool
    networks: list[Network]


class Tasks(pydantic.BaseModel):
    """All tasks, and the limits of uploads."""

    tasks: list[Task]
    limits: dict[str, int | float] = pydantic.Field(
        examples=[{"max_bytes": 33_554_432}]
    )


class Error(pydantic.BaseModel):
    """Why a job did not end well."""

    code: str = pydantic.Field(examples=["engine_restarted"])
    detail: str


class Links(pydantic.BaseModel):
    """Where the rest of a job is."""

    self: str = pydantic.Field(examples=[f"{ROOT}/jobs/{_OTHER}"])
    events: str = pydantic.Field(examples=[f"{ROOT}/jobs/{_OTHER}/events"])
    result: str | None = pydantic.Field(None, description="Once it is done.")
    preview: str | None = pydantic.Field(None, description="Where there is one.")


class Job(pydantic.BaseModel):
    """One image restored in one way, as it stands."""

    id: str = pydantic.Field(pattern=HEX, examples=[_OTHER])
    image_id: str = pydantic.Field(pattern=HEX, examples=[_ID])
    batch_id: str | None = None
    mask_id: str | None = None
    task: str = pydantic.Field(examples=["denoise"])
    method: str = pydantic.Field(examples=["network"])
    params: dict[str, Any] = pydantic.Field(examples=[{"strength": 0.8}])
    status: values.Status
    progress: float = pydantic.Field(description="0 to 1.", examples=[0.25])
    position: int | None = pydantic.Field(None, description="In the queue, from 1.")
    eta_ms: int | None = pydantic.Field(None, description="Until it ends, about.")
    created_at: datetime.datetime
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    expires_at: datetime.datetime
    queued_ms: int | None = None
    run_ms: int | None = None
    numbers: dict[str, Any] = pydantic.Field(description="What was measured.")
    error: Error | None = None
    links: Links


class Jobs(pydantic.BaseModel):
    """A page of jobs, the last one first."""

    jobs: list[Job]
    cursor: str | None = pydantic.Field(None, description="Of the next page.")


class JobRequest(_Sent):
    """A job that is asked for."""

    image_id: str = pydantic.Field(examples=[_ID], max_length=64)
    task: str = pydantic.Field(examples=["denoise"], max_length=64)
    method: Literal["network", "prior", "classical"] | None = pydantic.Field(
        None, description="The best one at hand if not given."
    )
    params: dict[str, Any] = pydantic.Field({}, examples=[{"strength": 0.8}])
    mask_id: str | None = pydantic.Field(None, max_length=64)


class Feedback(_Sent):
    """What somebody thinks of a result."""

    rating: Literal[-1, 1]
    reason: Reason | None = None


class BatchRequest(_Sent):
    """Several images to be restored in the same way."""

    image_ids: list[str] = pydantic.Field(examples=[[_ID, _OTHER]], min_length=1)
    task: str = pydantic.Field(examples=["denoise"], max_length=64)
    method: Literal["network", "prior", "classical"] | None = None
    params: dict[str, Any] = {}


class Batch(pydantic.BaseModel):
    """A batch as it stands, and its jobs in the order of its files."""

    id: str = pydantic.Field(pattern=HEX, examples=[_ID])
    task: str
    final: bool = pydantic.Field(description="Whether no job will change any more.")
    counts: dict[str, int] = pydantic.Field(examples=[{"done": 3, "running": 1}])
    jobs: list[Job]
    skipped: dict[str, str] = pydantic.Field(description="Files, and why.")
    created_at: datetime.datetime
    expires_at: datetime.datetime
    result_url: str = pydantic.Field(examples=[f"{ROOT}/batches/{_ID}/result.zip"])


class Version(pydantic.BaseModel):
    """What runs here."""

    jaxrestore: str
    jax: str | None
    python: str
    device: str
    models: dict[str, str] = pydantic.Field(description="And their SHA-256.")


class Health(pydantic.BaseModel):
    """Whether it is well, and why not."""

    ok: bool
    reasons: list[str]


def image(one: values.Image) -> Image:
    """Returns an image as it is sent."""
    return Image(
        id=one.id,
        width=one.width,
        height=one.height,
        channels=one.channels,
        bit_depth=one.bits,
        alpha=one.alpha,
        format=one.format,
        bytes=one.bytes,
        sha256=one.sha256,
        created_at=moment(one.created),
        expires_at=moment(one.expires),
        preview_url=f"{ROOT}/images/{one.id}/preview",
    )


def job(one: values.Job) -> Job:
    """Returns a job as it is sent."""
    place = f"{ROOT}/jobs/{one.id}"
    done, seen = one.status is values.Status.DONE, one.preview
    return Job(
        id=one.id,
        image_id=one.image_id,
        batch_id=one.batch_id,
        mask_id=one.mask_id,
        task=one.task,
        method=one.method,
        params=dict(one.options),
        status=one.status,
        progress=one.share,
        position=one.position,
        eta_ms=_thousand(one.eta_s),
        created_at=moment(one.created),
        started_at=moment(one.started) if one.started is not None else None,
        finished_at=moment(one.finished) if one.finished is not None else None,
        expires_at=moment(one.expires),
        queued_ms=_thousand(one.numbers.get("queued_s")),
        run_ms=_thousand(one.numbers.get("run_s")),
        numbers=dict(one.numbers),
        error=Error(code=one.code, detail=one.detail or "") if one.code else None,
        links=Links(
            self=place,
            events=f"{place}/events",
            result=f"{place}/result" if done else None,
            preview=f"{place}/preview" if done or seen else None,
        ),
    )


def task(one: values.TaskInfo) -> Task:
    """Returns a task as it is sent."""
    return Task(
        name=one.name,
        label=one.label,
        help=one.help,
        methods=[*one.methods],
        why_not=dict(one.why_not),
        params=dict(one.options),
        scales=[*one.scales],
        needs_mask=one.needs_mask,
        networks=[Network(**dataclasses.asdict(network)) for network in one.networks],
    )


def batch(one: values.Batch, jobs: list[values.Job]) -> Batch:
    """Returns a batch as it is sent."""
    counts = {status.value: 0 for status in values.Status}
    for each in jobs:
        counts[each.status.value] += 1
    return Batch(
        id=one.id,
        task=one.task,
        final=all(each.final for each in jobs),
        counts={name: count for name, count in counts.items() if count},
        jobs=[job(each) for each in jobs],
        skipped=dict(one.skipped),
        created_at=moment(one.created),
        expires_at=moment(one.expires),
        result_url=f"{ROOT}/batches/{one.id}/result.zip",
    )


def moment(seconds: float) -> datetime.datetime:
    """Returns a time of `time.time` as JSON has it, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _thousand(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)
