"""Bars are shown in a notebook, and not in a log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("notebook", "is_shown"), [({"JPY_PARENT_PID": "1"}, True), ({}, False)])
def test_bars_are_shown_where_somebody_looks(notebook: dict[str, str], is_shown: bool, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"} | notebook
    command = [sys.executable, "-m", "hub_publisher", "fetch", "lampkeeper_bot", "--runs-dir", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=True, timeout=120)
    assert ("Reading posts" in result.stderr) == is_shown
