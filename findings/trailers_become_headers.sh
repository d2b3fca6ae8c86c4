#!/usr/bin/env bash
# uvicorn 0.54.0 with httptools 0.9.0: trailers of a request become its headers.
#
# Done: sent a POST whose body comes in chunks and ends in a trailer, X-Role: admin; the
# app noted the names in scope["headers"] before it read the body, and after.
#
# Seen: before, host and transfer-encoding; after, x-role as well, with its value. The
# list is the same object, to which the server appends while the app reads. With
# http="h11" it stays as it was.
#
# Why that surprises: middleware looks at headers before the app reads the body, so that
# what it refuses or removes, such as what a proxy is to vouch for, comes in afterwards.
# RFC 9110, 6.5.1, has trailers kept apart from headers unless a field is known to be
# safe there.
#
# Instead: http="h11"; or a subclass of HttpToolsProtocol whose on_header ignores what
# comes after on_headers_complete; or copy the headers before the body is read.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  "uvicorn==0.54.0" "httptools==0.9.0" "h11==0.16.0" || exit 2

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import socket
import sys

import uvicorn

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
REST = b"1\r\nx\r\n0\r\nX-Role: admin\r\n\r\n"


async def seen(parser):
    found = []

    async def app(scope, receive, send):
        found.append([name.decode() for name, _ in scope["headers"]])
        while (await receive()).get("more_body"):
            pass
        found.append([name.decode() for name, _ in scope["headers"]])
        length = [(b"content-length", b"0")]
        start = {"type": "http.response.start", "status": 200, "headers": length}
        await send(start)
        await send({"type": "http.response.body"})

    ear = socket.socket()
    ear.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=parser, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[ear]))
    while not server.started:
        await asyncio.sleep(0.05)
    reader, writer = await asyncio.open_connection(*ear.getsockname())
    writer.write(HEAD)
    await asyncio.sleep(0.5)  # the app is called, and waits for the body
    writer.write(REST)
    await reader.readline()
    writer.close()
    server.should_exit = True
    await serving
    return found


plain = ["host", "transfer-encoding"]
for parser, after in (("httptools", [*plain, "x-role"]), ("h11", plain)):
    found = asyncio.run(seen(parser))
    print(f"{parser}: before {found[0]}, after {found[1]}")
    if found != [plain, after]:
        sys.exit(1)
PYTHON
