"""The Markdown page: the templates in templates/, filled with facts, everything escaped unless a filter did it."""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
    Undefined,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from hub_publisher.card import formatting
from hub_publisher.card.facts import derive
from hub_publisher.card.figures import Figure
from hub_publisher.card.inputs import Inputs
from hub_publisher.errors import CardError
from hub_publisher.readme import escape, regions
from hub_publisher.system.files import sha256_of

TEMPLATE = "model_card.md.jinja"
_PRINTED = "printed_so_far"


FILTERS = (
    escape.cell, escape.code, escape.fence, escape.html, escape.link, formatting.duration, formatting.fixed,
    formatting.listing, formatting.millions, formatting.number, formatting.percent, formatting.significant,
    formatting.size, formatting.thinned, formatting.versions,
)  # fmt: skip


def context(inputs: Inputs, figures: dict[str, Figure]) -> dict[str, Any]:
    """Everything that the templates can print: the inputs as plain data, what follows from them, alt texts."""
    return {**inputs.model_dump(), **derive(inputs), "figures": {name: figure.alt for name, figure in figures.items()}}


def render_page(facts: dict[str, Any], templates: Path | None = None) -> tuple[str, list[str]]:
    """The body of README.md, its managed regions sealed, and every text and number of the facts that it prints.

    `templates` is a user's template, or a folder of some that take the place of ours by the same name. Raises
    CardError for a template that is wrong or uses a name that the facts lack.
    """
    printed: list[str] = []
    env = environment(templates)
    with _as_card_errors():
        page = env.get_template(TEMPLATE).render({**facts, _PRINTED: printed})
    # Sections that are left out leave their blank lines behind.
    return regions.seal(re.sub("\n{3,}", "\n\n", page).strip("\n") + "\n"), printed


def check(templates: Path | None) -> None:
    """Raises CardError for templates that are not there, or that Jinja cannot read; they are not filled in yet."""
    env = environment(templates)
    for name in template_hashes(templates):
        with _as_card_errors():
            env.get_template(name)


@contextmanager
def _as_card_errors() -> Iterator[None]:
    try:
        yield
        return
    except TemplateSyntaxError as error:
        fault = f"line {error.lineno} of {error.name}: {error.message}"
    except TemplateNotFound as error:
        fault = f"there is no {error.name}"
    except (TemplateRuntimeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        fault = f"{_place(error)}{error}"
    raise CardError(f"The card's template fails: {fault}.", "Compare it with templates/ in the project.")


def _place(error: Exception) -> str:
    """Where in the templates it happened, from the traceback that Jinja rewrites to their lines."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".jinja")]
    return f"line {frames[-1].lineno} of {Path(frames[-1].filename).name}: " if frames else ""


@cache
def environment(templates: Path | None = None) -> Environment:
    """Jinja as the card needs it: nothing undefined passes, nothing unescaped passes, templates reach no Python."""
    env = SandboxedEnvironment(
        loader=_loader(templates),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters |= {function.__name__: function for function in FILTERS}
    return env


@pass_context
def _finalize(facts: Context, value: Any) -> Any:
    # A StrictUndefined raises, with its name, when it is made text.
    shown = str(value) if isinstance(value, Undefined) else escape.finalize(value)
    facts[_PRINTED].append(unescape(str(shown)))
    return shown


def templates_folder() -> Path:
    """templates/ beside the package in a checkout, or within it in an installation."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def _loader(templates: Path | None) -> BaseLoader:
    """The user's template or folder first, then ours."""
    ours = FileSystemLoader(templates_folder())
    if templates is None:
        return ours
    if not templates.exists():
        raise CardError(f"There is no template {templates}.", "Name a file or folder that exists with --template.")
    if templates.is_dir():
        return ChoiceLoader([FileSystemLoader(templates), ours])
    return ChoiceLoader([FunctionLoader(partial(_one_file, templates)), ours])


def _one_file(path: Path, name: str) -> tuple[str, str, Callable[[], bool]] | None:
    """What Jinja wants to know of a template; it reads the file again each time, as people edit it."""
    return (path.read_text(encoding="utf-8"), str(path), lambda: False) if name == TEMPLATE else None


def template_hashes(templates: Path | None = None) -> dict[str, str]:
    """Name -> SHA-256 of every template that the page may be made from, the user's in place of ours."""
    folder = templates_folder()
    files = {path.relative_to(folder).as_posix(): path for path in (folder / TEMPLATE, *folder.glob("card/*.jinja"))}
    if templates is not None and templates.is_dir():
        files |= {path.relative_to(templates).as_posix(): path for path in templates.rglob("*.jinja")}
    elif templates is not None:
        files[TEMPLATE] = templates
    return {name: sha256_of(path) for name, path in sorted(files.items())}
