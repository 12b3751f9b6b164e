"""Round robin with FastAPI and httpx, served by uvicorn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from tests.bench.balancers.settings import end_to_end, round_robin

STREAM_ABOVE = 64 * 1024  # a shorter response is sent in one write
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

_backends = round_robin()


@asynccontextmanager
async def _open_client(app: FastAPI) -> AsyncIterator[None]:
    # The default limits: with more idle connections it is four times dearer,
    # as httpx looks at every one of them for each request.
    async with httpx.AsyncClient(timeout=60) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=_open_client, openapi_url=None)


@app.api_route("/{path:path}", methods=METHODS)
async def forward(request: Request, path: str) -> Response:
    client: httpx.AsyncClient = request.app.state.client
    url = f"{next(_backends)}/{path}"
    if request.url.query:
        url += f"?{request.url.query}"
    headers = end_to_end(request.headers.items())
    headers.append(("x-forwarded-for", request.client.host if request.client else ""))
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    upstream = await client.send(
        client.build_request(
            request.method, url, headers=headers, content=request.stream() if has_body else None
        ),
        stream=True,
    )
    return await _answer(upstream)


async def _answer(upstream: httpx.Response) -> Response:
    headers = dict(end_to_end(upstream.headers.items()))
    if int(headers.get("content-length", STREAM_ABOVE + 1)) <= STREAM_ABOVE:
        body = b"".join([chunk async for chunk in upstream.aiter_raw()])
        return Response(body, upstream.status_code, headers)
    return StreamingResponse(
        upstream.aiter_raw(),
        upstream.status_code,
        headers,
        background=BackgroundTask(upstream.aclose),
    )
