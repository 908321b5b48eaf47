"""The bundled sample: the archive of an invented bot account that minds a lighthouse's lamp.

It is stored as an unzipped X archive, so whoever reads it exercises the reader that real accounts need.
"""

from dataclasses import replace
from pathlib import Path

from hub_publisher.config import SAMPLE, Config
from hub_publisher.sources import x_archive
from hub_publisher.sources.members import opened_files
from hub_publisher.sources.reading import Reading, state_of

NAME = "sample"
VERSION = x_archive.VERSION
HANDLE = SAMPLE
FOLDER = Path(__file__).parent
PICTURE = FOLDER / "avatar.png"


def state(config: Config) -> str:
    """What identifies the sample's content."""
    return state_of([*opened_files(FOLDER), PICTURE])


def read(config: Config) -> Reading:
    """The sample's posts. It has no address on X: the account does not exist there."""
    timeline = x_archive.read(replace(config, archive=FOLDER)).timeline
    return Reading(timeline.model_copy(update={"source": NAME, "profile_url": None}), PICTURE.read_bytes())
