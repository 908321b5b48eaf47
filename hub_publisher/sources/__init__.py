"""Where posts come from: an X archive, a file of posts, or the bundled sample.

Each source is a module with NAME, VERSION, state(config) and read(config); `fetch` picks one.
"""

from pathlib import Path
from types import ModuleType

from hub_publisher.config import Config
from hub_publisher.errors import SourceError
from hub_publisher.readme.escape import is_web_address
from hub_publisher.records import TIMELINE, Post, Timeline
from hub_publisher.sources import files, sample, x_archive
from hub_publisher.sources.reading import existing, state_of, to_png
from hub_publisher.system.files import read_jsonl, write_bytes, write_jsonl

AVATAR = "avatar.png"
_IN_WORDS = {x_archive.NAME: "an X archive", files.NAME: "a file of posts", sample.NAME: "the bundled sample"}


def state(config: Config) -> tuple[str, int, str]:
    """What tells the posts that `fetch(config)` would read from others. Raises SourceError when nothing serves it."""
    source = _source_of(config)
    posts = source.state(config)
    _check_address(config.profile_url)
    return source.NAME, source.VERSION, f"{posts} {state_of([_picture(config.avatar)])}" if config.avatar else posts


def fetch(config: Config) -> Timeline:
    """Read the posts of `config.handle` and leave them in timeline.jsonl, the account's picture beside it.

    The timeline that comes back has its posts; they are no part of its record.

    Raises SourceError when no source can serve the handle, or the one that was named cannot be read.
    """
    source = _source_of(config)
    reading = source.read(config)
    timeline: Timeline = reading.timeline
    posts = timeline.posts
    if not posts:
        raise SourceError(
            f"There is not a single post of {config.handle} in {in_words(source.NAME)}.", _ways(config.handle)
        )
    avatar = to_png(_picture(config.avatar).read_bytes()) if config.avatar else reading.avatar
    picture = config.run_dir / AVATAR
    picture.unlink(missing_ok=True)
    if avatar:
        write_bytes(picture, avatar)
    write_jsonl(config.run_dir / TIMELINE, posts)
    notes = list(timeline.notes)
    if num_mangled := sum("\ufffd" in post.text for post in posts):
        notes.append(f"Posts that hold characters which could not be decoded: {num_mangled}.")
    facts = {
        "display_name": config.display_name or timeline.display_name,
        "profile_url": config.profile_url or timeline.profile_url,
        "avatar_file": AVATAR if avatar else None,
        "num_posts": len(posts),
        "notes": tuple(notes),
    }
    return timeline.model_copy(update=facts)


def with_posts(run_dir: Path, timeline: Timeline) -> Timeline:
    """The timeline with its posts, which `fetch` left in timeline.jsonl."""
    return timeline.model_copy(update={"posts": tuple(read_jsonl(run_dir / TIMELINE, Post))})


def _picture(path: Path) -> Path:
    """The account's picture. Raises SourceError when it is none that can be shown."""
    remedy = "Give a PNG or JPEG file: --avatar picture.png"
    if existing(path, remedy).is_dir() or to_png(path.read_bytes()) is None:
        raise SourceError(f"{path} is no picture that can be shown.", remedy)
    return path


def _check_address(url: str | None) -> None:
    if url and not is_web_address(url):
        raise SourceError(f"--profile-url {url[:100]!r} is no web address.", "It begins with https://")


def in_words(source: str) -> str:
    """The name of a source as people say it."""
    return _IN_WORDS.get(source, source)


def _source_of(config: Config) -> ModuleType:
    if config.archive:
        return x_archive
    if config.from_path:
        return files
    if config.handle.lower() == sample.HANDLE:
        return sample
    raise SourceError(f"There is nothing to read the posts of {config.handle} from.", _ways(config.handle))


def _ways(handle: str) -> str:
    return f"""These ways work:
  hub-publisher publish {handle} --archive path/to/archive.zip
      your X archive: x.com > Settings > Your account > Download an archive of your data (about a day)
  hub-publisher publish {handle} --from-path posts.csv
      posts in a file: .csv, .jsonl, .json, .parquet, or .txt with one post a line
  hub-publisher publish {sample.HANDLE}
      the bundled sample"""
