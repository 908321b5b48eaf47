"""The wheel works where no checkout is: templates, sample and all."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("hub_publisher-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    names = zipfile.ZipFile(wheel).namelist()
    assert "hub_publisher/templates/model_card.md.jinja" in names
    assert "hub_publisher/sources/sample/data/tweets.js" in names
    return folder / "site"


def run(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, encoding="utf-8", cwd=cwd,
                          env=environment, check=False, timeout=120)  # fmt: skip


def test_the_installed_package_is_the_one_that_runs(site: Path, tmp_path: Path) -> None:
    result = run(site, tmp_path, "-c", "import hub_publisher; print(hub_publisher.__file__)")
    assert result.stdout.strip() == str(site / "hub_publisher" / "__init__.py")


def test_the_sample_is_read_and_curated(site: Path, tmp_path: Path) -> None:
    assert run(site, tmp_path, "-m", "hub_publisher", "fetch", "lampkeeper_bot").returncode == 0
    result = run(site, tmp_path, "-m", "hub_publisher", "curate", "lampkeeper_bot")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "runs" / "lampkeeper_bot" / "posts.jsonl").exists()


def test_the_card_and_the_local_hub_find_their_templates(site: Path, tmp_path: Path) -> None:
    script = """
import urllib.request
from pathlib import Path
from hub_publisher import card, localhub
assert all(Path(path).is_relative_to(Path(card.__file__).parents[1]) for path in [card.page.templates_folder()])
assert 'model_card.md.jinja' in card.page.template_hashes()
with localhub.start(Path("hub")) as hub:
    assert b"<html" in urllib.request.urlopen(hub.url).read()
"""
    result = run(site, tmp_path, "-c", script)
    assert result.returncode == 0, result.stderr
