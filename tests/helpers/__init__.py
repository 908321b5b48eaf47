"""What several tests share; every test imports it as `tests.helpers`."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SHARED = ROOT.parent / "shared" / "data"  # real timelines, read where they lie
