"""A file of posts: CSV, JSON, JSON lines, Parquet or plain text, from any tool."""

import ast
import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

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
    looks_cut,
    progress,
    state_of,
    undecodable_note,
)
from hub_publisher.sources.text_files import TextFile
from hub_publisher.text.characters import well_formed

NAME = "files"
VERSION = 1  # raise it when the same file gives other posts than before

TEXT_COLUMNS = ("full_text", "text", "tweet", "content", "body", "post", "message")
_COLUMNS = {
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
    ".jsonl": formats.json_lines_rows,
    ".ndjson": formats.json_lines_rows,
    ".txt": formats.text_rows,
}
_REMEDY = (
    "Give a .csv, .tsv, .jsonl, .json, .parquet or .txt file: hub-publisher publish <handle> --from-path posts.csv"
)
_BYTES_REPR = re.compile(r"b(['\"]).*\1", re.DOTALL)
_NOTHING = ("", "none", "null", "nan", "nat", "false", "f", "no", "n", "0", "{}", "[]")


class _Row(NamedTuple):
    """What one row says about a post; its date still as the file writes it."""

    id: str
    text: str
    created_at: Any
    language: str | None
    is_repost: bool
    is_reply: bool | None  # None: the file does not say
    is_truncated: bool
    links: tuple[str, ...]


def state(config: Config) -> str:
    """What identifies the file's content and how it is read."""
    path = _checked_path(config)
    return f"{path.suffix.lower()} {state_of([path])}"


def read(config: Config) -> Reading:
    """The posts of the file in its own order. Raises SourceError when it is empty, damaged or has no text column.

    Rows without text are kept as posts with an empty one, so that the file's rows can be counted again later.
    """
    path = _checked_path(config)
    source = _Table(path, config.text_column, config.handle)
    rows = [source.row(number, row) for number, row in enumerate(progress(source.rows, "Reading posts"), 1)]
    posts, notes = _posts(rows)
    notes = [*source.notes(), *notes, *undecodable_note(post.text for post in posts)]
    timeline = Timeline(
        fingerprint="",
        source=NAME,
        handle=config.handle,
        display_name=config.handle,
        escapes_html=escapes_html(row.text for row in rows),
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


def _posts(rows: Sequence[_Row]) -> tuple[list[Post], list[str]]:
    day_first = is_day_first(row.created_at for row in rows)
    num_undated = 0
    posts = []
    for row in rows:
        created_at = parse_date(row.created_at, day_first)
        num_undated += created_at is None and row.created_at not in (None, "")
        # Where a file does not say what is a reply, an opening @name does: X writes replies so.
        is_reply = row.text.startswith("@") if row.is_reply is None else row.is_reply
        posts.append(Post(**row._asdict() | {"created_at": created_at, "is_reply": is_reply}))
    return posts, [f"Dates that could not be read: {num_undated}."] if num_undated else []


class _Table:
    """The rows of one file and which of their columns mean what. Column names are matched without regard to case."""

    def __init__(self, path: Path, text_column: str | None, handle: str) -> None:
        self._handle = handle
        self._file: TextFile | None = None
        self._num_reprs = 0
        rows: Iterable[dict[str, Any]]
        if path.suffix.lower() == ".parquet":
            rows = formats.parquet_rows(path, lambda names: self._choose(path, names, text_column))
        else:
            self._file = TextFile(path)
            rows = _FORMATS[path.suffix.lower()](self._file)
        iterator = iter(rows)
        head = list(islice(iterator, 100))
        if not head:
            raise SourceError(f"{path.name} holds no posts.", _REMEDY)
        self._choose(path, list(dict.fromkeys(name for row in head for name in row)), text_column)
        self.rows = chain(head, iterator)

    def row(self, number: int, row: dict[str, Any]) -> _Row:
        """What `row` says; `number` stands in for an id that it lacks."""
        text = self._text(row)
        kinds = [item.get("type") for item in row.get("referenced_tweets") or () if isinstance(item, dict)]
        is_repost = bool(REPOST.match(text)) or "retweeted" in kinds or _says_yes(self._value(row, "is_repost"))
        language = self._value(row, "language")
        return _Row(
            id=well_formed(str(self._value(row, "id") or number)),
            text=text,
            created_at=self._value(row, "created_at"),
            language=language if isinstance(language, str) and language else None,
            is_repost=is_repost,
            is_reply=self._is_reply(row, kinds),
            is_truncated=not is_repost and (looks_cut(text) or (row.get("truncated") is True and not _long(row))),
            links=tuple(link for link in _links(row) if link in text),
        )

    def notes(self) -> list[str]:
        """Sentences about what was odd in the file."""
        notes = self._file.notes() if self._file else []
        if self._num_reprs:
            notes.append(f"Texts that were written as Python bytes (b'...') and had to be decoded: {self._num_reprs}.")
        return notes

    def _choose(self, path: Path, names: list[str], text_column: str | None) -> list[str]:
        """Find the columns by name; the list of those that are read."""
        by_name = {str(name).strip().lower(): name for name in reversed(names)}
        wanted = [text_column.strip().lower()] if text_column else TEXT_COLUMNS
        text = next((by_name[name] for name in wanted if name in by_name), None)
        if text is None:
            missing = f"no column {text_column!r}" if text_column else "no column that is known to hold texts"
            raise SourceError(
                f"{path.name} has {missing}. Its columns: {', '.join(map(str, names[:30]))}.",
                "Name the one that holds the text: "
                f"hub-publisher publish {self._handle} --from-path {quote(str(path))} --text-column NAME",
            )
        self._named = text if text_column else None
        self._texts = [by_name[name] for name in wanted if name in by_name]
        self._columns = {
            what: [by_name[name] for name in candidates if name in by_name] for what, candidates in _COLUMNS.items()
        }
        self._replies = [name for lower, name in by_name.items() if lower.startswith(_REPLY)]
        return list(dict.fromkeys([*self._texts, *chain(*self._columns.values()), *self._replies]))

    def _value(self, row: dict[str, Any], what: str) -> Any:
        return next((row[name] for name in self._columns[what] if row.get(name) not in (None, "")), None)

    def _text(self, row: dict[str, Any]) -> str:
        value = (None if self._named else _long(row)) or next(
            (row[name] for name in self._texts if row.get(name) not in (None, "")), ""
        )
        if isinstance(value, str) and _BYTES_REPR.fullmatch(value):
            value = self._from_repr(value)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, float) and value != value:
            value = ""
        return well_formed(value if isinstance(value, str) else str(value))

    def _from_repr(self, text: str) -> str | bytes:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        self._num_reprs += 1
        return value if isinstance(value, bytes) else text

    def _is_reply(self, row: dict[str, Any], kinds: list[Any]) -> bool | None:
        if not self._replies and not kinds:
            return None
        by_name = {name.lower(): row.get(name) for name in self._replies}
        own = row.get("user") if isinstance(row.get("user"), dict) else {}
        own_id = str(row.get("author_id") or (own or {}).get("id_str") or "")
        to_name = str(by_name.get("in_reply_to_screen_name") or "").lower()
        to_id = str(by_name.get("in_reply_to_user_id_str") or by_name.get("in_reply_to_user_id") or "")
        to_self = to_name == self._handle.lower() or (own_id and own_id == to_id)
        return not to_self and (any(map(_says_yes, by_name.values())) or "replied_to" in kinds)


def _long(row: dict[str, Any]) -> str | None:
    """The full text of a long post, where X's API put it beside the cut one."""
    for key, name in (("extended_tweet", "full_text"), ("note_tweet", "text")):
        if isinstance(row.get(key), dict) and isinstance(row[key].get(name), str):
            return str(row[key][name])
    return None


def _links(row: dict[str, Any]) -> list[str]:
    """Links as X's API lists them: entities.urls[].url, in the places where the versions put them."""
    found = []
    for holder in (row, row.get("extended_tweet"), row.get("note_tweet")):
        entities = holder.get("entities") if isinstance(holder, dict) else None
        for kind in ("urls", "media"):
            items = entities.get(kind) if isinstance(entities, dict) else None
            found += [i["url"] for i in items or () if isinstance(i, dict) and isinstance(i.get("url"), str)]
    return [well_formed(link) for link in dict.fromkeys(found) if link]


def _says_yes(value: Any) -> bool:
    """Whether a flag, an id or a nested object says yes; "f", "0", "nan" and the like say no."""
    if isinstance(value, str):
        return value.strip().lower() not in _NOTHING
    return bool(value) and value == value
