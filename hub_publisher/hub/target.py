"""Where a publication goes, and whether its token may write there: asked before any work is done."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from huggingface_hub import get_token
from huggingface_hub.errors import OIDCError

from hub_publisher import localhub
from hub_publisher.config import HUGGING_FACE, LOCAL, Config
from hub_publisher.errors import HubError, UsageError
from hub_publisher.hub.client import HubClient

if TYPE_CHECKING:
    from hub_publisher.hub.repository import File

LOCAL_NAMESPACE = "huggingtweets"
_INSTEAD = " Or publish to the Hub on this machine, which needs no network: add --hub local"
_NUM_ATTEMPTS = 3  # before any work, when nothing is lost by giving up


@dataclass(frozen=True)
class Target:
    """Where the model goes. `private` is what the repository is, or will be when it does not exist yet.

    `approve` is told all files of a change before it is made, and raises PublisherError when it must not be.
    """

    hub: HubClient
    is_local: bool
    repo_id: str
    private: bool
    approve: Callable[[Mapping[str, "File"]], None] | None = None

    @property
    def endpoint(self) -> str:
        """The Hub's address, without a slash at its end."""
        return self.hub.endpoint

    @property
    def url(self) -> str:
        """The model page."""
        return f"{self.endpoint}/{self.repo_id}"

    @property
    def place(self) -> str:
        """ "local", or the endpoint: a local Hub may have another port than last time."""
        return LOCAL if self.is_local else self.endpoint


def visibility(private: bool) -> str:
    """ "public" or "private"."""
    return "private" if private else "public"


@contextmanager
def open_hub(config: Config) -> Iterator[HubClient]:
    """The Hub on the network, or the embedded one, served for as long as this lasts."""
    where = choose_hub(config)
    if where != LOCAL:
        yield HubClient(where, find_token())
        return
    # A proxy that the network needs must not be asked for the server in the next process. Clients read one of the two.
    said = [os.environ.get("no_proxy", ""), os.environ.get("NO_PROXY", ""), "127.0.0.1,localhost"]
    hosts = ",".join(filter(None, dict.fromkeys(",".join(said).split(","))))
    os.environ |= {"no_proxy": hosts, "NO_PROXY": hosts}
    with localhub.start(config.hub_dir) as hub:
        yield HubClient(hub.url, hub.token)


@contextmanager
def open_target(config: Config) -> Iterator[Target]:
    """Where to publish, checked: the Hub is there and this token may write."""
    with open_hub(config) as hub:
        if config.hub == "auto" and choose_hub(config) != LOCAL:
            hub.remedy += _INSTEAD
        yield preflight(config, hub, choose_hub(config) == LOCAL)


def choose_hub(config: Config) -> str:
    """ "local", or the endpoint's URL without a slash at its end.

    auto is huggingface.co (or HF_ENDPOINT) when a token is in the environment or left by `hf auth login`; the bundled
    sample, which is nobody's own, goes to another Hub only when that is named.
    """
    if config.hub == LOCAL:
        return LOCAL
    if config.hub == HUGGING_FACE:
        return f"https://{HUGGING_FACE}"
    if config.hub == "auto":
        if config.is_of_sample or find_token() is None:
            return LOCAL
        return _checked_url(os.environ.get("HF_ENDPOINT") or f"https://{HUGGING_FACE}")
    return _checked_url(config.hub)


def find_token() -> str | None:
    """The token that huggingface_hub would use, or None. Raises HubError when a login is broken."""
    try:
        return get_token()
    except OIDCError as error:
        raise HubError(f"The keyless login to the Hub failed: {error}", "Unset HF_OIDC_RESOURCE.") from error


def preflight(config: Config, hub: HubClient, is_local: bool) -> Target:
    """The target, once the Hub has said that this token may publish there. Changes nothing.

    Raises HubError when the Hub is down, rejects the token, or the token may not write to the namespace; and
    when a private repository is asked for in place of one that is public.
    """
    if not hub.token:
        raise HubError(
            f"Publishing to {hub.endpoint} needs a token and there is none.",
            "Log in with `hf auth login`, or publish to the embedded Hub with --hub local.",
        )
    me = hub.call("asking whose token this is", hub.api.whoami, most_attempts=_NUM_ATTEMPTS)
    with hub.reading():
        namespace = config.namespace or (LOCAL_NAMESPACE if is_local else me["name"])
        if not is_local:
            namespace = _own_namespace(me, namespace)
        repo_id = f"{namespace}/{config.name}"
        _check_may_write(me, repo_id, hub.endpoint)
    repo = hub.call(f"looking at {repo_id}", lambda: hub.repo_state(repo_id), most_attempts=_NUM_ATTEMPTS)
    if repo is not None and config.private and not repo.private:
        raise HubError(
            f"{repo_id} is public already, and a private repository was asked for.",
            f"Make it private at {hub.endpoint}/{repo_id}/settings, leave out --private, or choose --repo-name.",
        )
    return Target(hub, is_local, repo_id, private=repo.private if repo else config.private)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise UsageError(
            "The Hub's address must be http(s)://host[:port], without user name or query.",
            "Try --hub local or --hub huggingface.co",
        )
    return url.rstrip("/")


def _own_namespace(me: dict[str, Any], wanted: str) -> str:
    """`wanted` as the Hub spells it, when it is the user or one of their organisations with a right to write."""
    roles = {org["name"]: org.get("roleInOrg") for org in me.get("orgs", ())}
    writable = [me["name"], *(name for name, role in roles.items() if role != "read")]
    for name in writable:
        if name.lower() == wanted.lower():
            return name
    raise HubError(
        f"The token's user {me['name']} may not publish under {wanted}.",
        f"Leave NAMESPACE out for {me['name']}, or choose one of: {', '.join(writable)}",
    )


def _check_may_write(me: dict[str, Any], repo_id: str, endpoint: str) -> None:
    """Refuse only on the Hub's own word: a read token, or a fine-grained one without repo.write here."""
    access = (me.get("auth") or {}).get("accessToken") or {}
    role, fine = access.get("role"), access.get("fineGrained")
    names = {repo_id.lower(), repo_id.split("/")[0].lower()}
    if role == "fineGrained" and fine is not None:
        may = any(
            "repo.write" in scope.get("permissions", ())
            and (scope.get("entity") or {}).get("name", repo_id).lower() in names
            for scope in fine.get("scoped", ())
        )
    else:
        may = role != "read"
    if not may:
        raise HubError(
            f"The token of {me['name']} may read but not write {repo_id}.",
            f"Create one with the right to write at {endpoint}/settings/tokens, then `hf auth login`.",
        )
