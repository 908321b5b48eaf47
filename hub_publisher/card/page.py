"""The Markdown page: the templates in templates/, filled with facts, everything escaped unless a filter did it."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment

from hub_publisher.card import facts, training_facts
from hub_publisher.card.figures import Figure
from hub_publisher.card.inputs import Inputs
from hub_publisher.card.limits import limitations
from hub_publisher.readme import escape

TEMPLATE = "model_card.md.jinja"


def render_page(inputs: Inputs, figures: dict[str, Figure], has_avatar: bool) -> str:
    """The body of README.md. A name that the templates use and the facts lack is jinja2.UndefinedError."""
    context: dict[str, Any] = {
        "identity": facts.identity(inputs, has_avatar),
        "use": facts.use(inputs),
        "samples": facts.samples(inputs),
        "training_data": training_facts.training_data(inputs),
        "procedure": training_facts.procedure(inputs),
        "evaluation": training_facts.evaluation(inputs),
        "limitations": limitations(inputs),
        "about": facts.about(inputs),
        "figures": {name: figure.alt for name, figure in figures.items()},
    }
    page = environment().get_template(TEMPLATE).render(context)
    # Sections that are left out leave their blank lines behind.
    return re.sub("\n{3,}", "\n\n", page).strip("\n") + "\n"


@cache
def environment() -> Environment:
    """Jinja as the card needs it: nothing undefined passes, nothing unescaped passes, templates reach no Python."""
    env = SandboxedEnvironment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters |= {
        "cell": escape.cell,
        "code": escape.code,
        "fence": escape.fence,
        "html": escape.html,
        "link": escape.link,
    }
    return env


def _finalize(value: Any) -> Any:
    # A StrictUndefined raises, with its name, when it is made text.
    return str(value) if isinstance(value, Undefined) else escape.finalize(value)


def templates_folder() -> Path:
    """templates/ beside the package in a checkout, or within it in an installation."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def template_files() -> list[Path]:
    """The files that the page is made from, in a fixed order."""
    folder = templates_folder()
    return [folder / TEMPLATE, *sorted((folder / "card").glob("*.jinja"))]
