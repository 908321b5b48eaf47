"""One plain HTTP request to a local Hub, for what no client would send."""

import http.client
from contextlib import closing
from urllib.parse import urlsplit

from hub_publisher import localhub


def call(
    hub: localhub.LocalHub, method: str, path: str, body: bytes | str | None = None, **headers: str
) -> tuple[int, dict, bytes]:
    """Send one request as it is and return (status, headers, body)."""
    token = {"Authorization": f"Bearer {hub.token}"} if headers.pop("auth", "") else {}
    # Closed even when the server is killed while it answers: a socket left to the collector fails the next test.
    with closing(http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=20)) as connection:
        connection.request(method, path, body, {**token, **{k.replace("_", "-"): v for k, v in headers.items()}})
        reply = connection.getresponse()
        return reply.status, {key.lower(): value for key, value in reply.getheaders()}, reply.read()
