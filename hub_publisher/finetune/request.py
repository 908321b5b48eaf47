"""What the training processes are asked to do: a file that `finetune` leaves for them, and the settings it turns on."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub_publisher.config import HYPERPARAMETERS, Config
from hub_publisher.model.base_model import BaseModel as Base
from hub_publisher.records import BaseModelRecord, Curation
from hub_publisher.system.files import fingerprint, write_record

REQUEST = "training-request.json"


class Request(BaseModel):
    """One training. Two requests with the same key train the same weights, so one may go on where the other ended."""

    key: str
    config: Config
    base_path: Path
    base_record: BaseModelRecord


def make_request(config: Config, curation: Curation, base: Base) -> Request:
    """The training of these posts from this base model; the number of processes is no part of its key."""
    # Of a base model in a folder the record says little, so the folder's name counts too.
    origin = (config.base_model, base.record.model_dump())
    key = fingerprint("training", hyperparameters_of(config), curation.posts_sha256, origin)
    return Request(key=key, config=config, base_path=base.path.resolve(), base_record=base.record)


def write_request(run_dir: Path, request: Request) -> None:
    """Leave the request for the training processes."""
    write_record(run_dir / REQUEST, request)


def read_request(run_dir: Path) -> Request:
    """The request in a publication's folder. Raises FileNotFoundError, or ValueError when it is no request."""
    return Request.model_validate_json((run_dir / REQUEST).read_bytes())


def hyperparameters_of(config: Config) -> dict[str, Any]:
    """The settings that shape the weights, by name."""
    return {name: getattr(config, name) for name in HYPERPARAMETERS}
