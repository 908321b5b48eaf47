"""A Hub asked under a policy of retries: the deadlines, the retries and the plain words that huggingface_hub lacks.

Measured against huggingface_hub 2.4: whoami, create_repo, validate-yaml, model_info and commit are tried once
and wait for ever; one create_repo conflict is repeated without end; uploads through Xet end in a bare
ConnectionError. Here every request has a deadline, is repeated a bounded number of times, and ends in an
answer or in a HubError that says what failed, where, and what to type.
"""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from typing import TypeVar

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_session,
    hf_hub_url,
    set_client_factory,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HfUriError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status
from huggingface_hub.utils._http import default_client_factory, parse_ratelimit_headers

from hub_publisher.errors import HubError

T = TypeVar("T")
Operation = CommitOperationAdd | CommitOperationDelete

# 412 is in: the branch moved, or our own commit arrived and its answer was lost. The next attempt looks first.
_PASSING_STATUS = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
_RERUN = "Nothing is lost: the same command, run again, finishes the job."


# Everything else is a programmer's error or the local disk's, and flies.
_FAILURES = (httpx2.HTTPError, ConnectionError, json.JSONDecodeError, RuntimeError)


class _RateLimitedTooLong(httpx2.HTTPError):
    """The Hub's rate limit lasts longer than `longest_asked_wait_seconds`."""


class _Busy(httpx2.TransportError):
    """Another repository of the same owner is being created; huggingface_hub would ask again without pause."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try. A total includes every retry and every wait between them."""

    num_attempts: int = 5
    first_wait_seconds: float = 1.0  # before the second attempt; doubles with each one
    longest_wait_seconds: float = 30.0
    longest_asked_wait_seconds: float = 300.0  # the Hub's own rate limits count in windows of five minutes
    answer_seconds: float = 60.0  # silence on one connection
    request_seconds: float = 400.0  # total for a request without a body to speak of
    upload_seconds: float = 600.0  # total for a commit, besides the time its bytes take
    upload_bytes_per_second: float = 100e3  # slower than this is a failure

    def seconds_for(self, num_bytes: int) -> float:
        """Total for a commit that carries `num_bytes`."""
        return self.upload_seconds + num_bytes / self.upload_bytes_per_second


RETRY_POLICY = RetryPolicy()


@dataclass(frozen=True)
class RemoteRepo:
    """A repository at one commit."""

    head: str
    private: bool
    files: dict[str, RepoFile]


class HubClient:
    """One Hub, one token. `call` is the way in; the other methods are single attempts to be handed to it."""

    def __init__(self, endpoint: str, token: str | None, retry_policy: RetryPolicy = RETRY_POLICY) -> None:
        self.endpoint, self.token, self.retry_policy = endpoint, token, retry_policy
        self.remedy = _RERUN  # for what may pass
        self.api = HfApi(endpoint=endpoint, token=token if token else False)
        set_client_factory(partial(_client_with_timeouts, retry_policy))

    def call(
        self, doing: str, attempt: Callable[[], T], seconds: float | None = None, most_attempts: int | None = None
    ) -> T:
        """`attempt()`'s answer, tried again while the failure may pass and `seconds` are not over.

        `doing` completes the sentence "The Hub failed while ...". Raises HubError.
        """
        policy = self.retry_policy
        total, wait = seconds or policy.request_seconds, policy.first_wait_seconds
        give_up_at = time.monotonic() + total
        for attempts_left in reversed(range(min(policy.num_attempts, most_attempts or policy.num_attempts))):
            try:
                return _within(give_up_at - time.monotonic(), attempt)
            except multiprocessing.TimeoutError:
                raise self._error(doing, TimeoutError(f"timed out after {total:.0f} seconds")) from None
            except _FAILURES as error:
                cause = _cause(error)
                if isinstance(cause, RuntimeError) or not isinstance(cause, _FAILURES):
                    raise
                pause = max(wait, _asked_wait(cause.response) if isinstance(cause, HfHubHTTPError) else 0.0)
                if not attempts_left or not _may_pass(cause) or time.monotonic() + pause > give_up_at:
                    raise self._error(doing, cause) from error
            time.sleep(pause)
            wait = min(2 * wait, policy.longest_wait_seconds)
        raise AssertionError("num_attempts is at least 1")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Say it plainly where an answer has another shape than huggingface_hub, or who looks into it, expects."""
        try:
            yield
        except (HfHubHTTPError, json.JSONDecodeError):
            raise
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise HubError(
                f"The Hub at {self.endpoint} gave an answer that cannot be read: {type(error).__name__}: {error}.",
                "Look whether that is the address of a Hub; huggingface.co is named by --hub huggingface.co.",
            ) from error

    def repo_state(self, repo_id: str, revision: str | None = None) -> RemoteRepo | None:
        """The repository at the head of its main branch, or of `revision`, or None when there is none."""
        try:
            with self.reading():
                info = self.api.model_info(repo_id, revision=revision, timeout=self.retry_policy.answer_seconds)
        except HfHubHTTPError as error:
            is_missing = isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError)
            if is_missing or error.response.status_code == 404:
                return None
            raise
        head = str(info.sha)
        return RemoteRepo(head, bool(info.private), self.tree(repo_id, head))

    def tree(self, repo_id: str, revision: str) -> dict[str, RepoFile]:
        """Every file of the repository at `revision`, by path."""
        with self.reading():
            entries = self.api.list_repo_tree(repo_id, recursive=True, revision=revision)
            files = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
            if odd := [path for path in files if not {"", ".", ".."}.isdisjoint(path.split("/"))]:
                raise ValueError(f"{odd[0]!r} is no path of a file")
            return files

    def read(self, repo_id: str, path: str, revision: str) -> bytes:
        """The content of one file of the repository at `revision`, which names a commit."""
        # hf_hub_download would fill the user's cache, and hides what failed behind "not found on the disk".
        address = hf_hub_url(repo_id, path, revision=revision, endpoint=self.endpoint)
        headers = build_hf_headers(token=self.api.token)
        response = get_session().get(address, headers=headers, follow_redirects=True)
        hf_raise_for_status(response)
        return response.content

    def pull_request(self, repo_id: str, title: str, description: str) -> int:
        """The number of the open pull request of this title by this token's user, opened when there is none.

        Opening one and committing to it are two requests, so that a lost answer never leaves a second one behind.
        """
        with self.reading():
            me = self.api.whoami()["name"]
            known = self.api.get_repo_discussions(
                repo_id, author=me, discussion_type="pull_request", discussion_status="open"
            )
            for discussion in known:
                if discussion.title == title:
                    return int(discussion.num)
            return int(self.api.create_pull_request(repo_id, title=title, description=description).num)

    def create(self, repo_id: str, private: bool) -> None:
        """Create the repository; one that is already there is left as it is."""
        try:  # exist_ok would take a refusal for a success where the repository can be read
            self.api.create_repo(repo_id, private=private)
        except HfUriError:
            pass  # it was created; huggingface_hub cannot read the address that the Hub gives it
        except HfHubHTTPError as error:
            if error.response.status_code != 409:
                raise

    def commit(
        self, repo_id: str, operations: list[Operation], parent: str, message: str, revision: str | None = None
    ) -> str:
        """All operations in one commit on top of `parent`, on main or on `revision`. Returns its full hash."""
        try:
            info = self.api.create_commit(
                repo_id, operations=operations, commit_message=message, parent_commit=parent, revision=revision
            )
        except (HfHubHTTPError, json.JSONDecodeError):
            raise
        except ValueError as error:  # validate-yaml's verdict on the card, or the LFS server's on one file
            raise HubError(f"The Hub at {self.endpoint} refuses {repo_id}: {error}", "") from error
        except (AttributeError, LookupError, TypeError):
            with self.reading():
                raise
        return info.oid

    def _error(self, doing: str, cause: BaseException) -> HubError:
        status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
        message = f"The Hub at {self.endpoint} failed while {doing}: {_words(cause)}"
        if status == 401:
            return HubError(
                f"The Hub at {self.endpoint} rejected the token while {doing}.",
                "Log in again with `hf auth login`; a token in HF_TOKEN comes before that login.",
            )
        if status == 403:
            return HubError(message, "Use a token that may write there: https://huggingface.co/settings/tokens")
        if isinstance(cause, OfflineModeIsEnabled):
            return HubError(message, "Unset HF_HUB_OFFLINE: the Hub, also the local one, is asked over HTTP.")
        return HubError(message, self.remedy)


def _within(seconds: float, function: Callable[[], T]) -> T:
    """`function()`; multiprocessing.TimeoutError after `seconds`, when it is left to its daemon thread."""
    pool = ThreadPool(1)
    try:
        return pool.apply_async(function).get(max(seconds, 0))
    finally:
        pool.terminate()


def _client_with_timeouts(retry_policy: RetryPolicy) -> httpx2.Client:
    """huggingface_hub's own HTTP client, made unable to wait for ever."""
    timeout = httpx2.Timeout(retry_policy.answer_seconds, connect=min(10.0, retry_policy.answer_seconds))

    def limit(request: httpx2.Request) -> None:
        # Some calls pass timeout=None, which overrides the client's own: so it is set on each request.
        given = request.extensions.get("timeout") or {}
        limits = timeout.as_dict()
        request.extensions["timeout"] = {kind: given.get(kind) or limits[kind] for kind in limits}

    def refuse_endless_waits(response: httpx2.Response) -> None:
        asked = _asked_wait(response)
        if asked > retry_policy.longest_asked_wait_seconds:
            raise _RateLimitedTooLong(f"HTTP {response.status_code}, rate limited (retry after {asked:.0f} s)")
        if response.status_code == 409 and response.request.url.path == "/api/repos/create":
            response.read()
            if "conflicting operation" in response.text:
                raise _Busy("another repository is being created for the same owner")

    client = default_client_factory()
    client.event_hooks = {
        "request": [*client.event_hooks["request"], limit],
        "response": [*client.event_hooks["response"], refuse_endless_waits],
    }
    return client


def _cause(error: BaseException) -> BaseException:
    """What an upload thread of huggingface_hub failed of: it wraps that in a RuntimeError."""
    return error.__cause__ if type(error) is RuntimeError and error.__cause__ else error


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, HfHubHTTPError):
        # A PUT goes to a signed address: 403 there means that it expired, and the next attempt gets another.
        is_expired = error.response.status_code == 403 and error.response.request.method == "PUT"
        return is_expired or error.response.status_code in _PASSING_STATUS
    if isinstance(error, OfflineModeIsEnabled):
        return False
    # JSONDecodeError: a gateway's HTML page. ConnectionError: all that Xet says about any failure.
    return isinstance(error, (httpx2.TransportError, ConnectionError, json.JSONDecodeError))


def _asked_wait(response: httpx2.Response) -> float:
    """Seconds that the Hub's rate limit lasts: Retry-After (a date counts as none) or an exhausted rate limit."""
    value = response.headers.get("retry-after", "").strip()
    limit = parse_ratelimit_headers(response.headers) if response.status_code == 429 else None
    rest = limit.reset_in_seconds if limit and limit.remaining == 0 else 0
    return float(max(int(value) if value.isdecimal() else 0, rest))


def _words(error: BaseException) -> str:
    if isinstance(error, HfHubHTTPError):
        response = error.response
        return f"HTTP {response.status_code} {error.server_message or response.reason_phrase}".strip()
    if isinstance(error, json.JSONDecodeError):
        return "its answer was not JSON, as if from a gateway before it"
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
