"""`/docs`: the API as Swagger UI shows it, from files that this server has."""

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
_VENDOR = "/static/vendor"
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The API · jaxrestore</title>
<link rel="stylesheet" href="{_VENDOR}/swagger-ui.css">
<link rel="stylesheet" href="/static/docs.css">
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<script src="{_VENDOR}/swagger-ui-bundle.js" defer></script>
<script src="/docs/start.js" defer></script>
</head>
<body>
<div id="api"><noscript>This page needs scripts; the same is in
<a href="/openapi.json">openapi.json</a>.</noscript></div>
</body>
</html>
"""
_START = """const dark = matchMedia("(prefers-color-scheme: dark)");
const { classList } = document.documentElement;
const paint = () => classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: false, // true puts a link into every button
  validatorUrl: null,
});
"""


@router.get("/docs")
async def docs() -> Response:
    """The page."""
    return HTMLResponse(_PAGE)


@router.get("/docs/start.js")
async def start() -> Response:
    """What starts it: a file, since pages may hold no scripts."""
    return Response(_START, media_type="text/javascript")
