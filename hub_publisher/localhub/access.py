"""Who is asking and what they may do: tokens, the pages' cookie, signed addresses, foreign hosts and origins."""

import hmac
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from hub_publisher.localhub.refusal import Refusal

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SIGNED_SECONDS = 24 * 3600  # how long an upload address lives; a slow disk and a large model fit in a day


@dataclass(frozen=True)
class Access:
    """What opens a Hub: its tokens ({token: role}), the host names it answers to (none: any), and its signing key."""

    tokens: dict[str, str]
    hosts: set[str]
    key: bytes

    @property
    def cookie(self) -> str:
        """Return the name of the cookie for pages; cookies know no ports, so each Hub has a name of its own."""
        return f"hub_{self._digest('cookie', 0)[:12]}"

    def sign(self, purpose: str) -> str:
        """Return a capability for `purpose`: whoever holds it may do that one thing until it expires."""
        expires = int(time.time()) + SIGNED_SECONDS
        return f"{expires}.{self._digest(purpose, expires)}"

    def check(self, purpose: str, signature: str) -> None:
        """Return when `signature` was given for `purpose` and is fresh; Refusal(403) otherwise."""
        expires, _, digest = signature.partition(".")
        fresh = expires.isascii() and expires.isdigit() and len(expires) < 12 and int(expires) > time.time()
        if not fresh or not same(digest, self._digest(purpose, int(expires))):
            raise Refusal(403, "Request has expired or carries a wrong signature")

    def _digest(self, purpose: str, expires: int) -> str:
        return hmac.new(self.key, f"{purpose}\n{expires}".encode(), "sha256").hexdigest()

    def check_origin(self, request: Request) -> None:
        """Refuse what a foreign web page could make a browser send: a rebound host name, or a cross-site write."""
        host = request.headers.get("host", "")
        match = re.fullmatch(r"(\[[\da-fA-F:.]{2,45}\]|[\w.-]{1,253})(:\d{1,5})?", host, re.ASCII)
        if match is None:
            raise Refusal(400, "Invalid Host header")
        if self.hosts and match[1].lower().strip("[]") not in self.hosts:
            raise Refusal(403, "This Hub does not answer to that host name")
        origin = request.headers.get("origin")
        foreign = origin not in (None, f"http://{host}", f"https://{host}")
        if request.method not in ("GET", "HEAD") and (foreign or request.headers.get("sec-fetch-site") == "cross-site"):
            raise Refusal(403, "Cross-site requests are refused")

    def role_of(self, request: Request) -> str | None:
        """Return what the caller's token allows, None without one; Refusal(401) for a wrong one.

        A browser's cookie allows reading only, whatever page makes it send a request; see `form_role`.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "read" if self.page_role(request) else None
        if role := self.role_for(token):
            return role
        raise Refusal(401, "Invalid credentials in Authorization header")

    def page_role(self, request: Request) -> str | None:
        """Return what the token in a browser's cookie would allow a program; None without one."""
        return self.role_for(request.cookies.get(self.cookie, ""))

    def form_role(self, request: Request, role: str | None) -> str | None:
        """Return what a form may do: the most of what its caller's `role` and the cookie allow.

        The cookie counts only where the browser says that a page of this Hub sent the form (Origin, which
        `check_origin` has held against the Host); Refusal(403) where it does not say so.
        """
        if request.headers.get("authorization") or self.page_role(request) is None:
            return role
        if request.headers.get("origin") is None:
            raise Refusal(403, "Only a page of this Hub may send this form")
        return self.page_role(request)

    def role_for(self, token: str) -> str | None:
        """Return what `token` allows, None when it is none of this Hub's."""
        return next((role for known, role in self.tokens.items() if same(token, known)), None)


def same(left: str, right: str) -> bool:
    """Return whether two secrets are equal, in a time that tells nothing."""
    return hmac.compare_digest(left.encode(), right.encode())


def secret_file(path: Path, prefix: str) -> str:
    """Return the secret in `path`, made at first use and readable by its owner alone."""
    if not path.exists() or not path.read_text().strip():  # an empty one would let everybody in
        incoming = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        incoming.touch(mode=0o600)
        incoming.write_text(f"{prefix}{secrets.token_urlsafe(24)}\n")
        incoming.rename(path)
    return path.read_text().strip()
