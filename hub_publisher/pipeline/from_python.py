"""publish() as Python and notebooks call it: settings as keywords, posts that are at hand, progress on stderr."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub_publisher.config import FIELD_NAMES, Config
from hub_publisher.errors import UsageError
from hub_publisher.hub.preview import Confirm
from hub_publisher.pipeline.job import Say
from hub_publisher.pipeline.publication import Publication
from hub_publisher.pipeline.publish import alone
from hub_publisher.pipeline.publish import publish as publish_from
from hub_publisher.system.files import write_bytes

GIVEN = "posts-given.jsonl"
Posts = str | os.PathLike[str] | Iterable[object]


def to_stderr(line: str) -> None:
    """Show a line of progress, in a terminal as in a notebook."""
    print(line, file=sys.stderr, flush=True)


def publish(
    config: Config | None = None,
    say: Say | None = to_stderr,
    force: str | None = None,
    create_pr: bool = False,
    *,
    confirm: Confirm | None = None,
    posts: Posts | None = None,
    **settings: Any,
) -> Publication:
    """Take the posts of an account to a published model that loads by its id.

    >>> publish(handle="me", posts=frame)  # doctest: +SKIP
    >>> publish(Config(handle="lampkeeper_bot", num_epochs=2), say=None)  # doctest: +SKIP

    `settings` are those of Config; given with a `config` they change it. `posts` is a DataFrame of pandas or polars, a
    list of texts or of rows, or the path of a file or an X archive. What happens is told to `say` a line at a time: on
    stderr when it is not given, nowhere with None. `force` names a stage to do again together with all that follow it.
    With `create_pr` what changes is proposed as a pull request. `confirm`, where it is given, is asked once before
    another Hub than the local one is changed: with the question and the address of a preview. Raises PublisherError;
    calling it again goes on where it stopped.
    """
    config = _configured(config, settings)
    if posts is not None:
        config = _with_posts(config, posts)
    return publish_from(config, say or _nowhere, force, create_pr, confirm)


def _nowhere(line: str) -> None:
    """Say nothing."""


def _configured(config: Config | None, settings: dict[str, Any]) -> Config:
    if unknown := sorted(settings.keys() - FIELD_NAMES):
        known = f"The known ones: {', '.join(sorted(FIELD_NAMES))}"
        raise UsageError(f"publish() knows no setting {', '.join(unknown)}.", known)
    if config is None and "handle" not in settings:
        raise UsageError("It is not said whose posts they are.", 'Name the account: publish(handle="me", posts=...)')
    if not isinstance(config, Config | None):
        raise UsageError(f"{config!r:.60} is no Config.", 'Name what it is: publish(handle="me", posts=...)')
    return replace(config, **settings) if config else Config(**settings)


def _with_posts(config: Config, posts: Posts) -> Config:
    """The configuration that reads `posts`. Those at hand become a file of the publication, read like any other."""
    if config.archive or config.from_path:
        raise UsageError("Posts are given twice.", "Keep one of posts, archive and from_path.")
    if isinstance(posts, str | os.PathLike):
        path = Path(posts).expanduser()
        is_archive = path.is_dir() or path.suffix.lower() in (".zip", ".js")
        return replace(config, archive=path) if is_archive else replace(config, from_path=path)
    lines = _json_lines(posts)
    if not lines.strip():
        raise UsageError("posts holds no posts.", "Give a DataFrame, a list of texts, or the path of a file.")
    path = config.run_dir / GIVEN
    with alone(config):
        write_bytes(path, lines.encode())
    return replace(config, from_path=path)


def _json_lines(posts: Any) -> str:
    """One JSON object a post. The libraries of data frames know best how to write theirs."""
    if hasattr(posts, "write_ndjson"):  # polars
        return str(posts.write_ndjson())
    if hasattr(posts, "columns") and hasattr(posts, "to_json"):  # pandas
        return str(posts.to_json(orient="records", lines=True, date_format="iso"))
    if isinstance(posts, Mapping) or not isinstance(posts, Iterable):  # a mapping's keys are no posts
        raise _no_posts(posts)
    return "".join(_line(post) for post in posts)


def _line(post: object) -> str:
    if not isinstance(post, str | Mapping):
        raise _no_posts(post)
    return json.dumps({"text": post} if isinstance(post, str) else dict(post), default=str) + "\n"


def _no_posts(value: object) -> UsageError:
    return UsageError(
        f"posts holds {value!r:.60} ({type(value).__name__}), which is no post.",
        'Give a DataFrame, a list of texts, or the path of a file: publish(handle="me", posts=["First.", "Second."])',
    )
