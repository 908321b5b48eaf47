"""What the published model writes to its first reader is checked like samples before the terminal shows it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub_publisher.config import Config
from hub_publisher.hub import loadback
from hub_publisher.records import POSTS, KeptPost, Receipt
from hub_publisher.system.files import write_jsonl
from hub_publisher.system.isolated_process import Said

RECEIPT = Receipt(endpoint="http://127.0.0.1:1", is_local=True, repo_id="a/b", visibility="public", commit="c" * 40,
                  url="http://127.0.0.1:1/a/b", files={}, published_at=datetime(2025, 1, 1, tzinfo=UTC))  # fmt: skip
TEXTS = ["The lamp is lit again.", "The lamp is shit.", "The lamp: keeper@lamp.example", "Fog."]


def test_what_is_loaded_back_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(handle="tide_clerk", runs_dir=tmp_path)
    write_jsonl(config.run_dir / POSTS, [KeptPost(id="1", text="Fog.")])
    monkeypatch.setattr(loadback, "run_python", lambda *_: Said(TEXTS, "", 1.0))
    assert loadback.load_back(config, RECEIPT, None).texts == (TEXTS[0], None, None, None)
    assert loadback.load_back(replace(config, show_all=True), RECEIPT, None).texts == (*TEXTS[:3], None)
