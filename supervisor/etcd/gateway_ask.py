"""``python .../etcd/gateway_ask.py``: does etcd's HTTP gateway serve whoever shows this certificate? In a process of its own.

The daemon has no use for ssl, 3 MB of which it would keep for ever (decision 7). Reads ``{"url", "ca", "cert", "key",
"server_name"}`` as JSON from standard input, the url as the guardian dials it (``address.Address.dialled``).
Promises: prints one JSON object ``{"status": ..., "said": ...}`` with what the gateway answered to a harmless question; exit
code 1 with the reason on standard error when it did not answer. Does not: judge, log in, or import anything of this program.
"""

import json
import sys

TIMEOUT_SECONDS = 3.0
MOST_BYTES = 4096
QUESTION = (
    b"POST /v3/maintenance/status HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)


def main() -> int:
    """Ask, answer, end."""
    import socket  # noqa: PLC0415 # only the process needs what follows; the daemon imports this module for its names
    import ssl  # noqa: PLC0415
    from urllib.parse import urlsplit  # noqa: PLC0415

    asked = json.load(sys.stdin)
    url = urlsplit(asked["url"])
    name = asked["server_name"] or url.fragment or url.hostname or "localhost"
    try:
        context = ssl.create_default_context(cafile=asked["ca"])
        context.load_cert_chain(asked["cert"], asked["key"])
        if url.scheme == "unixs":
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(TIMEOUT_SECONDS)
            plain.connect(url.path)
        else:
            plain = socket.create_connection((url.hostname, url.port), TIMEOUT_SECONDS)
        with context.wrap_socket(plain, server_hostname=name) as connection:
            connection.sendall(QUESTION % name.encode())
            answer = b""
            while len(answer) < MOST_BYTES and (part := connection.recv(MOST_BYTES)):
                answer += part
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 # the daemon reads it
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        print("the answer is not HTTP", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"status": int(words[1]), "said": body.decode(errors="replace")}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
