"""The training log reaches the run while another process writes it."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_publisher import tracking
from hub_publisher.tracking.follow import read_on
from tests.helpers.tracking import evaluated, step


class Recorder(tracking.Run):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []

    def start(self) -> bool:
        """It takes rows."""
        return True

    def log(self, values: Mapping[str, float]) -> None:
        """Keep it."""
        self.num_rows += 1
        self.rows.append(dict(values))


class TestFollow:
    """The training log reaches the run line by line, each once."""

    def test_lines_arrive_while_the_block_runs(self, tmp_path: Path) -> None:
        run, path = Recorder(), tmp_path / "training-log.jsonl"
        with tracking.follow(run, path), open(path, "wb", buffering=0) as file:
            file.write(evaluated(0, 0) + step(1) + step(2)[:20])
            give_up_at = time.monotonic() + 10
            while len(run.rows) < 2:
                assert time.monotonic() < give_up_at
                time.sleep(0.02)
            file.write(step(2)[20:] + evaluated(2, 1))
        assert run.rows == [
            {"eval/loss": 3.5, "eval/epoch": 0, "train/global_step": 0, "_timestamp": 1.5e9},
            *(
                {
                    "train/loss": 4.0,
                    "train/learning_rate": 3e-4,
                    "train/grad_norm": 1.0,
                    "train/tokens_per_second": 2000.0,
                    "train/num_tokens": number * 1000,
                    "train/epoch": number / 100,
                    "train/global_step": number,
                    "_timestamp": 1.5e9 + number,
                }
                for number in (1, 2)
            ),
            {"eval/loss": 3.5, "eval/epoch": 1, "train/global_step": 2, "_timestamp": 1.5e9 + 2},
        ]
        assert run.num_rows == 4

    def test_a_log_that_never_comes(self, tmp_path: Path) -> None:
        run = Recorder()
        with tracking.follow(run, tmp_path / "never.jsonl"):
            pass
        assert run.rows == []

    def test_a_run_that_takes_no_rows_is_not_followed(self, tmp_path: Path) -> None:
        run, threads = tracking.Run(), threading.active_count()
        with tracking.follow(run, tmp_path / "log.jsonl"):
            assert threading.active_count() == threads

    @settings(max_examples=60, deadline=None)
    @given(data=st.data(), num_steps=st.integers(1, 30))
    def test_every_step_once_however_the_file_grows_and_restarts(
        self, data: st.DataObject, num_steps: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Written in pieces of any size; once, training may restart from a checkpoint with a shorter file."""
        path = tmp_path_factory.mktemp("log") / "training-log.jsonl"
        run = Recorder()
        whole = b"".join(map(step, range(1, num_steps + 1)))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            with open(path, "ab") as file:
                file.write(whole[start:end])
            read_on(run, path)
        kept = data.draw(st.integers(0, num_steps))
        path.write_bytes(b"".join(map(step, range(1, kept + 1))))
        read_on(run, path)
        with open(path, "ab") as file:
            file.write(b"".join(map(step, range(kept + 1, num_steps + 3))))
        read_on(run, path)
        assert [row["train/global_step"] for row in run.rows] == list(range(1, num_steps + 3))

    @given(known=st.integers(0, 9))
    @settings(max_examples=10, deadline=None)
    def test_rows_that_the_run_has_are_left_out(self, known: int, tmp_path_factory: pytest.TempPathFactory) -> None:
        """However many had arrived before a crash, the run ends up with each row once."""
        lines = [evaluated(0, 0), *map(step, range(1, 4)), evaluated(3, 1), *map(step, range(4, 7)), evaluated(6, 2)]
        path = tmp_path_factory.mktemp("log") / "log.jsonl"
        path.write_bytes(b"".join(lines))
        whole, resumed = Recorder(), Recorder()
        with tracking.follow(whole, path):
            pass
        resumed.num_rows = known
        with tracking.follow(resumed, path):
            pass
        assert len(whole.rows) == 9 and resumed.rows == whole.rows[known:]
