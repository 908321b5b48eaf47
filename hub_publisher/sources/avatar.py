"""Pictures from outside, made safe to publish."""

import io
import warnings

MAX_SIDE = 400  # pixels; what X and the Hub show at most


def to_png(content: bytes) -> bytes | None:
    """A PNG or JPEG as PNG of at most 400 x 400 pixels without its metadata; None when it is no such picture."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
            upright = ImageOps.exif_transpose(picture).convert("RGBA" if picture.has_transparency_data else "RGB")
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombWarning,
        Image.DecompressionBombError,
    ):
        return None
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    # pixels only: where and with what a picture was taken is nobody's business
    clean = Image.frombytes(upright.mode, upright.size, upright.tobytes())
    stream = io.BytesIO()
    clean.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
