"""Where posts come from: an X archive, a file of posts, or the bundled sample.

Each source is a module with NAME, VERSION, state(config) and read(config); `fetch` picks one.
"""

from pathlib import Path
from types import ModuleType

from hub_publisher.config import Config
from hub_publisher.disk import stage_fingerprint, write_bytes, write_timeline
from hub_publisher.errors import SourceError
from hub_publisher.records import Timeline
from hub_publisher.sources import files, sample, x_archive

AVATAR = "avatar.png"
_FIELDS = ("handle", "text_column")


def expected_fingerprint(config: Config) -> str:
    """Fingerprint of the timeline that `fetch(config)` would write. Raises SourceError when nothing serves it."""
    source = _source_of(config)
    return stage_fingerprint("sources", config, _FIELDS, source.NAME, str(source.VERSION), source.state(config))


def fetch(config: Config) -> Timeline:
    """Read the posts of `config.handle` and leave them in timeline-<handle>.jsonl, the picture beside it.

    Raises SourceError when no source can serve the handle, or the one that was named cannot be read.
    """
    source = _source_of(config)
    fingerprint = expected_fingerprint(config)
    reading = source.read(config)
    timeline: Timeline = reading.timeline
    if not timeline.posts:
        raise SourceError(f"There is not a single post of {config.handle} in the {source.NAME}.", _ways(config.handle))
    picture = config.run_dir / AVATAR
    picture.unlink(missing_ok=True)
    if reading.avatar:
        write_bytes(picture, reading.avatar)
    found = {"fingerprint": fingerprint, "avatar_file": AVATAR if reading.avatar else None}
    timeline = timeline.model_copy(update=found)
    write_timeline(timeline_path(config), timeline)
    return timeline


def timeline_path(config: Config) -> Path:
    """Where `fetch` leaves the timeline."""
    return config.run_dir / f"timeline-{config.handle}.jsonl"


def _source_of(config: Config) -> ModuleType:
    if config.archive:
        return x_archive
    if config.from_path:
        return files
    if config.handle.lower() == sample.HANDLE:
        return sample
    raise SourceError(f"There is nothing to read the posts of {config.handle} from.", _ways(config.handle))


def _ways(handle: str) -> str:
    return "\n".join(
        [
            "These ways work:",
            f"  make publish USER={handle} ARCHIVE=path/to/archive.zip",
            "      your X archive: x.com > Settings > Your account > Download an archive of your data (about a day)",
            f"  make publish USER={handle} FROM=posts.csv",
            "      posts in a file: .csv, .jsonl, .json, .parquet, or .txt with one post a line",
            f"  make publish USER={sample.HANDLE}",
            "      the bundled sample",
        ]
    )
