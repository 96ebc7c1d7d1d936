"""One webhook: a POST with a body of JSON, and whether it was taken.

On asyncio streams, as the looks of http probes and for the same reasons: it can be cancelled at any moment, so that whoever
times it keeps the bound, and https brings libcrypto into memory only where it is used. Promises: never raises but when it is
cancelled; says why it failed without the URL's path and the headers, which may hold secrets. Does not: follow redirects, use
proxies, time itself or retry.
"""

import asyncio
from urllib.parse import urlsplit

from supervisor.core.outside import WebhookSpec
from supervisor.core.spec import HttpSpec, ProbeTls
from supervisor.processes.looks import HEAD_BYTES, NoAnswerError, http_request, in_words, read_head


async def post(hook: WebhookSpec, body: bytes) -> str:
    """Empty when it was taken (2xx), else why not."""
    headers = {"Content-Type": "application/json", **hook.headers, "Content-Length": str(len(body))}
    try:
        parts = urlsplit(hook.url)
        request = http_request(parts, HttpSpec(method="POST", headers=tuple(headers.items()))) + body
        host, secure = parts.hostname or "localhost", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(host, port, limit=HEAD_BYTES)
    except (OSError, ValueError) as error:
        return in_words(error)
    try:
        status = await _ask(reader, writer, host, request, ProbeTls(ca=hook.ca) if secure else None)
    except (OSError, ValueError) as error:
        return in_words(error)
    except NoAnswerError as error:
        return error.detail
    finally:
        writer.transport.abort()
    return "" if 200 <= status < 300 else f"status {status}"


def place(hook: WebhookSpec) -> str:
    """Where it goes, for people: the host alone."""
    return urlsplit(hook.url).hostname or ""


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, request: bytes, settings: ProbeTls | None
) -> int:
    """The answer's status. Raises OSError and NoAnswerError."""
    if settings is None:
        writer.write(request)
        await writer.drain()
        return (await read_head(reader))[0]
    from supervisor.processes import tls  # noqa: PLC0415 # libcrypto: only in the memory of those who need it

    try:
        stream = await tls.TlsStream.open(reader, writer, host, HEAD_BYTES, settings)
        await stream.write(request)
        return (await read_head(stream))[0]
    except OSError as error:
        if words := tls.in_words(error):
            raise NoAnswerError(words) from None
        raise
