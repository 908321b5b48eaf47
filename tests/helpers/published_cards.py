"""A whole card with small weights, published to a real local Hub, for tests of what happens to it afterwards."""

from pathlib import Path
from typing import Any

import numpy
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.numpy import save_file

from hub_publisher.config import Config
from hub_publisher.hub.client import HubClient
from hub_publisher.hub.target import Target, preflight
from hub_publisher.localhub import LocalHub
from hub_publisher.pipeline.verify import Finding, verify
from hub_publisher.records import Receipt
from hub_publisher.system.files import output_of
from tests.helpers import card_records
from tests.helpers.push import UNHURRIED, push


class PublishedCard:
    """One publication: render it, push it, edit it by hand as somebody would on the Hub's page."""

    def __init__(self, hub: LocalHub, folder: Path, name: str) -> None:
        self.hub, self.repo_id = hub, f"huggingtweets/{name}"
        self.config = Config(handle="tide_clerk", repo_name=name, runs_dir=folder / "runs", hub_dir=hub.root)
        self.api = HfApi(endpoint=hub.url, token=hub.token)
        self.model = self.config.run_dir / "model"
        self.model.mkdir(parents=True)
        card_records.draw_avatar(self.config.run_dir)
        weights = numpy.arange(100_000, dtype=numpy.float32)
        save_file({"weights": weights}, self.model / "model.safetensors")
        (self.model / "config.json").write_text('{"model_type": "gpt2"}\n')

    def render(self, **changes: Any) -> dict[str, str]:
        """model/ with its card, from the records of card_records with some replaced; the SHA-256 of its files."""
        left = {f"model/{name}": output_of(self.model / name) for name in ("model.safetensors", "config.json")}
        records = {
            "config": self.config,
            "repo_id": self.repo_id,
            "curation": card_records.curation(self.config.run_dir),
            "training": card_records.training(weights_sha256=left["model/model.safetensors"].sha256, outputs=left),
            "evaluation": card_records.evaluation(),
            "snippet": card_records.snippet(),
            "tracking": card_records.tracking(),
        }
        given = {**records, **changes}
        return card_records.render(*given.values(), endpoint=self.hub.url)

    def push(self, create_pr: bool = False, **changes: Any) -> Receipt:
        """Render and publish."""
        self.render(**changes)
        return push(self.config, self.target(self.hub.url), create_pr)

    def target(self, url: str, config: Config | None = None) -> Target:
        """Where it goes, or what `config` aims at, by way of `url`."""
        return preflight(config or self.config, HubClient(url, self.hub.token, UNHURRIED), is_local=True)

    def verify(self, **options: Path | None) -> list[Finding]:
        """What a reader without a token finds."""
        return verify(HubClient(self.hub.url, None, UNHURRIED), self.repo_id, **options)

    def read(self, path: str = "README.md", revision: str | None = None) -> str:
        """A file as it is on the Hub."""
        return Path(self.api.hf_hub_download(self.repo_id, path, revision=revision)).read_bytes().decode()

    def write(self, path: str, content: str | bytes) -> None:
        """Commit a file by hand."""
        data = content.encode() if isinstance(content, str) else content
        self.api.create_commit(self.repo_id, [CommitOperationAdd(path, data)], commit_message=f"Edit {path} by hand")

    def edit(self, old: str, new: str, path: str = "README.md") -> None:
        """Replace text of a file by hand; it must be there."""
        before = self.read(path)
        assert old in before, old
        self.write(path, before.replace(old, new))

    def commits(self) -> list[str]:
        """Titles, newest first, without the one that created the repository."""
        return [commit.title for commit in self.api.list_repo_commits(self.repo_id)][:-1]
