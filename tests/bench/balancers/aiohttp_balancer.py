"""Round robin with aiohttp on both sides, on uvloop. Arguments: port, workers."""

import sys
from collections.abc import AsyncIterator

import uvloop
from aiohttp import ClientResponse, ClientSession, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from tests.bench.balancers import preforked
from tests.bench.balancers.settings import end_to_end, round_robin

SESSION = web.AppKey("session", ClientSession)
STREAM_ABOVE = 64 * 1024  # a shorter response is sent in one write

_backends = round_robin()


async def forward(request: web.Request) -> web.StreamResponse:
    headers = CIMultiDict(end_to_end(request.headers.items()))
    headers["X-Forwarded-For"] = request.remote or ""
    async with request.app[SESSION].request(
        request.method,
        URL(next(_backends) + request.path_qs, encoded=True),
        headers=headers,
        data=request.content if request.body_exists else None,
        allow_redirects=False,
    ) as upstream:
        return await _answer(request, upstream)


async def _answer(request: web.Request, upstream: ClientResponse) -> web.StreamResponse:
    headers = CIMultiDict(end_to_end(upstream.headers.items()))
    length = upstream.content_length
    if length is not None and length <= STREAM_ABOVE:
        body = await upstream.read()
        return web.Response(status=upstream.status, headers=headers, body=body)
    response = web.StreamResponse(status=upstream.status, headers=headers)
    await response.prepare(request)
    async for chunk in upstream.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


async def _open_session(app: web.Application) -> AsyncIterator[None]:
    connector = TCPConnector(limit=0, keepalive_timeout=60)
    async with ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as session:
        app[SESSION] = session
        yield


def serve(port: int) -> None:
    uvloop.install()
    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(_open_session)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(
        app, host="127.0.0.1", port=port, reuse_port=True, access_log=None, print=lambda *_: None
    )


if __name__ == "__main__":
    preforked.run(int(sys.argv[2]), lambda: serve(int(sys.argv[1])))
