"""A file as a page shows it: text in numbered lines, coloured where its lexer is known and quick."""

from pathlib import PurePosixPath

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JsonLexer, PythonLexer, TextLexer

from hub_publisher.localhub.blobs import BlobStore
from hub_publisher.localhub.changes import text_lines
from hub_publisher.localhub.store import File

# A file is a stranger's: only lexers whose time grows with its length, however it was made.
LEXERS = {".json": JsonLexer, ".py": PythonLexer}
_FORMATTER = HtmlFormatter(nowrap=True)  # it closes its tags at the end of every line


def listing(file: File, blobs: BlobStore) -> Markup | None:
    """Return a text's HTML, all of it escaped; None for what is no text, or too long for a page."""
    lines = text_lines(file, blobs)
    if lines is None:
        return None
    lexer = LEXERS.get(PurePosixPath(file.path).suffix.lower(), TextLexer)(stripnl=False)
    coloured = highlight("\n".join(lines), lexer, _FORMATTER).split("\n")[: len(lines)]
    return Markup("".join(f'<span id="L{number}">{line}\n</span>' for number, line in enumerate(coloured, 1)))
