"""A file of posts: CSV, JSON, JSON lines, Parquet or plain text, from any tool."""

import ast
import re
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from shlex import quote
from typing import Any

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.records import Post, Timeline
from hub_publisher.sources import rows as formats
from hub_publisher.sources.dates import is_day_first, parse_date
from hub_publisher.sources.reading import (
    REPOST,
    Reading,
    escapes_html,
    existing,
    inner,
    language_code,
    looks_cut,
    state_of,
    strings,
)
from hub_publisher.sources.x_records import Owner, is_to_other, links_of
from hub_publisher.system.bars import hidden, tqdm
from hub_publisher.text.characters import well_formed

NAME = "files"
VERSION = 2  # raise it when the same file gives other posts than before

# What a column holds -> the names it goes by, in the order they are asked; their case does not matter.
_COLUMNS = {
    "text": ("full_text", "text", "tweet", "content", "body", "post", "message"),
    "created_at": ("created_at", "createdat", "date", "timestamp", "datetime", "time", "published"),
    "language": ("lang", "language"),
    "is_repost": ("is_retweet", "isretweet", "retweeted_status", "retweeted_status_id", "is_repost"),
    "id": ("id_str", "id", "tweet_id", "tweetid", "status_id"),
}
_REPLY = ("in_reply_to", "inreplyto")  # the columns of X's dumps that begin so
_FORMATS = {
    ".csv": formats.csv_rows,
    ".tsv": formats.csv_rows,
    ".json": formats.json_rows,
    ".jsonl": formats.json_rows,
    ".ndjson": formats.json_rows,
    ".txt": formats.text_rows,
}
_REMEDY = (
    "Give a .csv, .tsv, .jsonl, .json, .parquet or .txt file: hub-publisher publish <handle> --from-path posts.csv"
)
_BYTES_REPR = re.compile(r"b(['\"]).*\1", re.DOTALL)
_NOTHING = ("", "none", "null", "nan", "nat", "false", "f", "no", "n", "0", "{}", "[]")


def state(config: Config) -> str:
    """What identifies the file's content and how it is read."""
    path = _checked_path(config)
    return f"{path.suffix.lower()} {state_of([path])}"


def read(config: Config) -> Reading:
    """The posts of the file in its own order. Raises SourceError when it is empty, damaged or has no text column.

    Rows without text are kept as posts with an empty one, so that the file's rows can be counted again later.
    """
    table = _Table(_checked_path(config), config)
    rows = tqdm(table.rows, "Reading posts", unit=" posts", disable=hidden(), leave=False)
    posts = [table.post(number, row) for number, row in enumerate(rows, 1)]
    day_first = is_day_first(table.dates)
    num_undated = 0
    for i, date in enumerate(table.dates):
        created_at = parse_date(date, day_first)
        posts[i] = posts[i].model_copy(update={"created_at": created_at})
        num_undated += created_at is None and date is not None
    notes = table.file.notes()
    if table.num_reprs:
        notes.append(f"Texts that were written as Python bytes (b'...') and had to be decoded: {table.num_reprs}.")
    if num_undated:
        notes.append(f"Dates that could not be read: {num_undated}.")
    timeline = Timeline(
        source=NAME,
        handle=config.handle,
        display_name=config.handle,
        escapes_html=escapes_html(post.text for post in posts),
        notes=tuple(notes),
        posts=tuple(posts),
    )
    return Reading(timeline)


def _checked_path(config: Config) -> Path:
    assert config.from_path is not None
    path = existing(config.from_path, _REMEDY)
    as_archive = f"hub-publisher publish {config.handle} --archive {quote(str(path))}"
    if path.is_dir():
        raise SourceError(f"{path} is a folder.", f"{_REMEDY}\nGive an unzipped X archive so: {as_archive}")
    if path.suffix.lower() in (".zip", ".js"):
        raise SourceError(f"{path.name} looks like an X archive.", as_archive)
    if path.suffix.lower() not in (*_FORMATS, ".parquet"):
        raise SourceError(f"{path.name} is of no kind that can be read.", _REMEDY)
    if path.stat().st_size == 0:
        raise SourceError(f"{path.name} is empty.", _REMEDY)
    return path


class _Table:
    """The rows of one file and which of their columns mean what."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config
        self.file = formats.TextFile(path)
        self.num_reprs = 0
        self.dates: list[Any] = []  # of the posts so far, as the file writes them
        reader = _FORMATS.get(path.suffix.lower())
        rows = reader(self.file) if reader else formats.parquet_rows(path, self._choose)
        head = list(islice(rows, 100))
        if not head:
            raise SourceError(f"{path.name} holds no posts.", _REMEDY)
        self._choose(dict.fromkeys(chain(*head)))
        self.rows = chain(head, rows)

    def post(self, number: int, row: dict[str, Any]) -> Post:
        """The post in `row`, its date still missing; `number` stands in for an id that it lacks."""
        text = self._text(row)
        kinds = strings(row.get("referenced_tweets"), "type")
        is_repost = bool(REPOST.match(text)) or "retweeted" in kinds or _says_yes(self._value(row, "is_repost"))
        self.dates.append(self._value(row, "created_at"))
        return Post(
            id=well_formed(str(self._value(row, "id") or number)),
            text=text,
            language=language_code(self._value(row, "language")),
            is_repost=is_repost,
            is_reply=self._is_reply(row, kinds, text),
            is_truncated=not is_repost and (looks_cut(text) or (row.get("truncated") is True and not _long(row))),
            links=tuple(dict.fromkeys(link for link in links_of(row) if link in text)),
        )

    def _choose(self, names: Iterable[str]) -> list[str]:
        """Find the columns by name; the list of those that are read."""
        by_name = {name.strip().lower(): name for name in names}
        named = self._config.text_column
        wanted = _COLUMNS | ({"text": (named.strip().lower(),)} if named else {})
        self._columns = {
            what: [by_name[name] for name in candidates if name in by_name] for what, candidates in wanted.items()
        }
        self._replies = [name for lower, name in by_name.items() if lower.startswith(_REPLY)]
        if not self._columns["text"]:
            missing = f"no column {named!r}" if named else "no column that is known to hold texts"
            raise SourceError(
                f"{self._path.name} has {missing}. Its columns: {', '.join([*names][:30])}.",
                f"Name the one that holds the text: hub-publisher publish {self._config.handle} "
                f"--from-path {quote(str(self._path))} --text-column NAME",
            )
        return [*dict.fromkeys(chain(*self._columns.values(), self._replies))]

    def _value(self, row: dict[str, Any], what: str) -> Any:
        return next((row[name] for name in self._columns[what] if row.get(name) not in (None, "")), None)

    def _text(self, row: dict[str, Any]) -> str:
        value = (None if self._config.text_column else _long(row)) or self._value(row, "text")
        if isinstance(value, str) and _BYTES_REPR.fullmatch(value):
            with suppress(ValueError, SyntaxError):
                value = ast.literal_eval(value)
                self.num_reprs += 1
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return "" if value is None or value != value else well_formed(str(value))

    def _is_reply(self, row: dict[str, Any], kinds: list[str], text: str) -> bool:
        if not self._replies and not kinds:
            return text.startswith("@")  # where a file does not say what is a reply, this does: X writes replies so
        reply = {name.lower(): row[name] for name in self._replies if _says_yes(row.get(name))}
        own_id = str(row.get("author_id") or inner(row, "user").get("id_str") or "")
        return bool(reply or "replied_to" in kinds) and is_to_other(reply, text, Owner(own_id, self._config.handle))


def _long(row: dict[str, Any]) -> str | None:
    """The full text of a long post, where X's API put it beside the cut one."""
    text = inner(row, "extended_tweet").get("full_text") or inner(row, "note_tweet").get("text")
    return text if isinstance(text, str) else None


def _says_yes(value: Any) -> bool:
    """Whether a flag, an id or a nested object says yes; "f", "0", "nan" and the like say no."""
    if isinstance(value, str):
        return value.strip().lower() not in _NOTHING
    return bool(value) and value == value
