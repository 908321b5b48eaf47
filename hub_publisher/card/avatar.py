"""The account's picture, made fit to publish: small, square, round, and without what its file says besides."""

import io
from pathlib import Path

from hub_publisher.records import Account

_SIZE = 160  # pixels, as wide as it is shown
_OVERSAMPLING = 4  # the circle is drawn larger and scaled down, so that its edge is smooth


def draw(run_dir: Path, accounts: tuple[Account, ...]) -> bytes | None:
    """PNG of the accounts' pictures side by side, each in a circle; None when none of them can be read.

    Drawing it anew leaves out what pictures carry invisibly: place, camera, comments.
    """
    pictures = [picture for account in accounts if (picture := _circle(run_dir, account.avatar_file))]
    if not pictures:
        return None
    from PIL import Image

    canvas = Image.new("RGBA", (_SIZE * len(pictures), _SIZE))
    for index, picture in enumerate(pictures):
        canvas.paste(picture, (index * _SIZE, 0))
    file = io.BytesIO()
    canvas.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _circle(run_dir: Path, name: str | None):  # type: ignore[no-untyped-def]  # PIL is imported only here
    from PIL import Image, ImageDraw, ImageOps

    # A file name only: a record from elsewhere must not make the card publish another file.
    if name is None or Path(name).name != name or not (run_dir / name).is_file():
        return None
    try:
        with Image.open(run_dir / name) as picture:
            square = ImageOps.fit(ImageOps.exif_transpose(picture).convert("RGBA"), (_SIZE, _SIZE))
    except (OSError, SyntaxError, Image.DecompressionBombError):  # what Pillow says of a file that is no picture
        return None
    mask = Image.new("L", (_SIZE * _OVERSAMPLING,) * 2)
    ImageDraw.Draw(mask).ellipse((0, 0, *mask.size), fill=255)
    empty = Image.new("RGBA", (_SIZE, _SIZE))
    return Image.composite(square, empty, mask.resize((_SIZE, _SIZE)))
