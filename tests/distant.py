"""A stand-in for a web app elsewhere that inverts pictures, to test its client."""

import io
import json
from collections.abc import Callable

import httpx
import numpy as np
from PIL import Image

NETWORK = {"name": "denoise", "scale": 1, "architecture": "unet"}
NETWORK |= {"license": "Apache-2.0", "sha256": "5e" * 32}
STRENGTH = {"type": "number", "minimum": 0, "maximum": 1}
TASKS = [
    {
        "name": "denoise",
        "label": "Remove noise",
        "help": "Grain goes.",
        "scales": [1],
        "methods": ["network"],
        "why_not": {},
        "params": {"properties": {"strength": STRENGTH}},
        "needs_mask": False,
        "networks": [NETWORK],
    },
    {
        "name": "inpaint",
        "label": "Fill holes",
        "help": "What is missing is made up.",
        "scales": [1],
        "methods": ["network", "prior"],
        "why_not": {"classical": "It is not offered."},
        "params": {"properties": {}},
        "needs_mask": True,
        "networks": [],
    },
    {
        "name": "deblur",
        "label": "Sharpen",
        "help": "Blur goes.",
        "scales": [1],
        "methods": [],
        "why_not": {"network": "No weights ship."},
        "params": {"properties": {}},
        "needs_mask": False,
        "networks": [],
    },
]


class Distant:
    """Answers requests, as httpx.MockTransport asks; `heard` has all of them.

    `before(request)` may answer, or raise, in its place. A job takes `looks` looks.
    """

    def __init__(self, *, looks=1, max_bytes=2**20, token=None):
        self.looks, self.max_bytes, self.token = looks, max_bytes, token
        self.heard, self.images, self.masks, self.jobs = [], {}, {}, {}
        self.before: Callable[[httpx.Request], httpx.Response | None] = _nothing

    @property
    def transport(self):
        return httpx.MockTransport(self)

    def paths(self, method):
        prefix = "/api/v1/"
        return [p.removeprefix(prefix) for m, p, _ in self.heard if m == method]

    def __call__(self, request):
        request.read()
        method, path = request.method, request.url.path
        self.heard.append((method, path, request))
        answer = self.before(request)
        if answer is not None:
            return answer
        said = request.headers.get("authorization")
        if self.token and said != f"Bearer {self.token}":
            return problem(401, "no_token", "A token is needed.")
        kind, *rest = path.removeprefix("/api/v1/").split("/")
        return getattr(self, f"{method.lower()}_{kind}")(request, *rest)

    def get_tasks(self, request):
        return httpx.Response(
            200, json={"tasks": TASKS, "limits": {"max_bytes": self.max_bytes}}
        )

    def post_images(self, request, image=None, masks=None):
        try:
            Image.open(io.BytesIO(request.content)).load()
        except OSError:
            return problem(415, "no_image_format", "This is no picture.")
        kind = self.images if image is None else self.masks
        kind[id := f"{len(self.heard):032x}"] = request.content
        return httpx.Response(201, json={"id": id})

    def delete_images(self, request, image):
        self.images.pop(image, None)
        return httpx.Response(204)

    def post_jobs(self, request):
        asked = json.loads(request.content)
        if asked["image_id"] not in self.images:
            return problem(404, "no_image", "There is no such image.")
        id = f"{len(self.heard):032x}"
        self.jobs[id] = {"id": id, "left": self.looks, "asked": asked}
        return httpx.Response(202, json=self._told(id))

    def get_jobs(self, request, id, result=None):
        if id not in self.jobs:
            return problem(404, "no_job", "There is no such job.")
        if result:
            return self._result(self.jobs[id]["asked"], request.url.params)
        self.jobs[id]["left"] -= 1
        return httpx.Response(200, json=self._told(id))

    def _told(self, id):
        left = self.jobs[id]["left"]
        share = 1 - left / (self.looks or 1)
        status = "running" if left > 0 else "done"
        return {"id": id, "status": status, "progress": share, "error": None}

    def _result(self, asked, params):
        picture = Image.open(io.BytesIO(self.images[asked["image_id"]]))
        pixels = np.asarray(picture).copy()
        hole = np.ones(pixels.shape[:2], bool)
        if asked.get("mask_id"):
            mask = Image.open(io.BytesIO(self.masks[asked["mask_id"]]))
            hole = np.asarray(mask.convert("L")) >= 128
        pixels[hole] = 255 - pixels[hole]
        file, given = io.BytesIO(), params.get("quality")
        options = {"quality": int(given)} if given else {}
        Image.fromarray(pixels).save(file, params["format"].upper(), **options)
        return httpx.Response(200, content=file.getvalue())


def _nothing(request):
    return None


def problem(status, code, detail, retry_after=None):
    """A refusal as a web app answers it."""
    headers = {"content-type": "application/problem+json"}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    body = json.dumps({"code": code, "detail": detail, "status": status})
    return httpx.Response(status, content=body, headers=headers)
