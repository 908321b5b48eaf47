"""The figures, as they are seen without the page around them."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers import card_records


def test_every_figure_has_a_title_above_what_it_shows(tmp_path: Path) -> None:
    arguments = card_records.publication(tmp_path)
    card_records.render(*arguments)
    folder = arguments[0].run_dir / "model" / "figures"
    drawn = {path.stem: path for path in folder.glob("*.png") if path.stem not in ("avatar", "social")}
    assert drawn.keys() == {"pipeline", "loss", "months", "lengths", "dropped"}
    for name, path in drawn.items():
        with Image.open(path) as picture:
            rows = (np.asarray(picture.convert("RGBA"))[:, :, 3] > 0).any(axis=1)
        top = int(np.argmax(rows))
        # A line of letters at the top, by itself: the rows below it are empty.
        assert top < 20 and 15 <= int(np.argmin(rows[top:])) <= 40, name
