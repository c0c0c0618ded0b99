"""What there is to compare with: a bare aiohttp handler on uvloop with TLS and msgspec, under the same load.

It decodes the envelope, burns a given time instead of judging, and answers. ``python -m bench.bare CERT KEY SECONDS``
serves and prints its port.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time

import msgspec
import uvloop
from aiohttp import web


class Envelope(msgspec.Struct, rename="camel"):
    """As much of an AdmissionReview as a bare handler looks at."""

    api_version: str
    request: msgspec.Raw


decode = msgspec.json.Decoder(Envelope).decode
ANSWER = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"","allowed":true}}'


async def serve(certificate: str, key: str, burn_seconds: float) -> None:
    """Serve until killed."""

    async def handle(request: web.BaseRequest) -> web.Response:
        decode(await request.read())
        until = time.perf_counter() + burn_seconds
        while time.perf_counter() < until:
            pass
        return web.Response(body=ANSWER, content_type="application/json")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], float(sys.argv[3])))
