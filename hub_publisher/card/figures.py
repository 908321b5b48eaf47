"""The card's pictures, drawn from the records: from what to what, the loss, posts per month, lengths, what was dropped.

Every figure is a PNG without background, in colours that stand out on a white page and on the Hub's dark one, with a
title and an alt text that says what there is to see. Same records, same bytes: no dates, and fonts from matplotlib
itself.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub_publisher.card import formatting
from hub_publisher.card.facts import post_counts
from hub_publisher.card.inputs import Inputs
from hub_publisher.tracking.records import artifact_name

FOLDER = "figures"
# Each has a contrast of at least 4:1 with #ffffff and with #0b0f19, the Hub's dark background.
TEXT, LINE, ACCENT, SECOND = "#757575", "#808080", "#3b76c8", "#c4582d"
_WIDTH, _DPI = 7.5, 160  # inches; 1,200 pixels wide, sharp at half that on a dense screen
_FEW_BARS = 3  # fewer bars than this say nothing that the table does not
_MAX_NAME, _MAX_DIGEST = 26, 8  # characters that a box has room for


@dataclass(frozen=True)
class Figure:
    """A picture, and what it shows for those who do not see it."""

    png: bytes
    alt: str


def draw(inputs: Inputs) -> dict[str, Figure]:
    """Name -> figure, for every figure that these records have something to show in."""
    drawn = {
        "pipeline": _pipeline(inputs),
        "loss": _loss(inputs),
        "months": _months(inputs),
        "lengths": _lengths(inputs),
        "dropped": _dropped(inputs),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _pipeline(inputs: Inputs) -> Figure:
    """Posts to model as one goes from the other, after huggingtweets' figure, and what the tracker recorded."""
    curation, training, result = inputs.curation, inputs.training, inputs.evaluation
    read = formatting.number(sum(account.num_downloaded for account in curation.accounts))
    kept = formatting.number(curation.num_train + curation.num_heldout)
    learnt, heldout = formatting.number(curation.num_train), formatting.number(curation.num_heldout)
    steps = formatting.number(training.num_steps, "step")
    before, after = (formatting.significant(metrics.perplexity) for metrics in (result.base, result.tuned))
    base = (training.base_model.hub_id or "a local folder").rpartition("/")[2]
    versions = _versions(inputs)
    boxes = [
        ("Posts", f"{read} read", versions.get("the posts")),
        ("Curate", f"{kept} kept"),
        ("Training data", f"{learnt} + {heldout} held out", versions.get("the training data")),
        ("Base model", base if len(base) <= _MAX_NAME else f"{base[: _MAX_NAME - 1]}…", versions.get("the base model")),
        ("Fine-tune", steps),
        ("This model", f"perplexity {before} → {after}"),
    ]
    alt = (
        f"How this model was made: of {read} posts read {kept} were kept and {heldout} of these held out; "
        f"{base} was fine-tuned on the other {learnt} in {steps}, which took the held-out perplexity from {before} to "
        f"{after}."
    )
    if versions:
        alt += f" Recorded: {formatting.listing([f'{kind} as {version}' for kind, version in versions.items()])}."
    return Figure(_png("How this model was made", lambda axes: _graph(axes, boxes), 2.9), alt)


def _versions(inputs: Inputs) -> dict[str, str]:
    """What the tracker calls the posts, the training data and the base model, as far as these can be opened."""
    pages = {job: run for job, run in inputs.runs.items() if run.url}
    preprocess, train = pages.get("preprocess"), pages.get("train")
    kinds: dict[str, list[str | None]] = {
        "the posts": [*preprocess.inputs.values()] if preprocess else [],
        "the training data": [*preprocess.artifacts.values()] if preprocess else [],
        # The run may name another one that stood in for it before.
        "the base model": [train.inputs.get(artifact_name(inputs.training.base_model))] if train else [],
    }
    return {name: f"W&B artifact {kind[0][:_MAX_DIGEST]}" for name, kind in kinds.items() if kind and kind[0]}


def _graph(axes: Any, boxes: list[tuple[str | None, ...]]) -> None:
    """Two rows of three: what goes in, what is done, what comes out; the upper result goes into the lower step."""
    axes.set(xlim=(0, 3), ylim=(0, 2))
    axes.axis("off")
    for number, box in enumerate(boxes):
        row, column = divmod(number, 3)
        _box(axes, column + 0.5, 1.5 - row, SECOND if column == 1 else ACCENT, *box)
    arrow = {"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0}
    for y in (0.5, 1.5):
        for x in (1.0, 2.0):
            axes.annotate("", (x + 0.08, y), (x - 0.07, y), arrowprops=arrow)
    axes.plot([2.5, 2.5, 1.5, 1.5], [1.18, 1.0, 1.0, 0.9], color=LINE, lw=1)
    axes.annotate("", (1.5, 0.82), (1.5, 0.95), arrowprops=arrow)


def _box(axes: Any, x: float, y: float, colour: str, title: str | None, *lines: str | None) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.02,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch((x - 0.4, y - 0.3), 0.8, 0.6, style, lw=1.5, edgecolor=colour, facecolor="none"))
    said = [line for line in lines if line]
    top = y + 0.05 + 0.06 * len(said)
    axes.text(x, top, title, ha="center", va="center", weight="bold", size=14, color=colour)
    for number, line in enumerate(said, start=1):
        axes.text(x, top - 0.05 - 0.17 * number, line, ha="center", va="center", size=10, color=TEXT, parse_math=False)


def _loss(inputs: Inputs) -> Figure | None:
    log, evals = inputs.training.log, inputs.training.evals
    if len(log) < 2:
        return None
    steps, losses = [point.step for point in log], [point.loss for point in log]
    smooth = _smooth(losses)

    def paint(axes: Any) -> None:
        axes.plot(steps, losses, color=LINE, lw=0.8, alpha=0.6, label="training, each step")
        axes.plot(steps, smooth, color=ACCENT, lw=2, label="training, smoothed")
        if evals:
            heldout = [point.eval_loss for point in evals]
            axes.plot([point.step for point in evals], heldout, color=SECOND, marker="o", lw=1.5, label="held out")
        axes.set(xlabel="optimizer step", ylabel="loss (nats per token)")
        axes.legend(frameon=False, labelcolor=TEXT, fontsize=9)

    alt = (
        f"Training loss went from {losses[0]:.2f} to {smooth[-1]:.2f} nats per token in "
        f"{formatting.number(steps[-1], 'step')}"
    )
    best = next((point for point in evals if point.epoch == inputs.training.best_epoch), None)
    if best and best is not evals[0]:
        alt += f"; held-out loss from {evals[0].eval_loss:.2f} to {best.eval_loss:.2f}, best after pass {best.epoch}"
    title = "Loss on training and held-out posts" if evals else "Loss on training posts"
    return Figure(_png(title, paint, 3.7), f"{alt}.")


def _smooth(values: list[float]) -> list[float]:
    """Mean over a window of a tenth of the log, as far as it reaches back."""
    window = max(len(values) // 10, 1)
    return [sum(part) / len(part) for part in (values[max(0, i + 1 - window) : i + 1] for i in range(len(values)))]


def _months(inputs: Inputs) -> Figure | None:
    months = inputs.curation.posts.per_month
    if len(months) < _FEW_BARS:
        return None

    def paint(axes: Any) -> None:
        axes.bar(range(len(months)), months.values(), width=0.85, color=ACCENT)
        every = -(-len(months) // 10)
        axes.set_xticks(range(0, len(months), every), list(months)[::every], rotation=30, ha="right")
        axes.set(ylabel="posts kept")
        axes.yaxis.get_major_locator().set_params(integer=True)

    busiest = max(months, key=lambda month: months[month])
    alt = (
        f"Posts kept from each month, {next(iter(months))} to {list(months)[-1]}: most in {busiest} "
        f"({formatting.number(months[busiest])}), on average "
        f"{formatting.significant(sum(months.values()) / len(months))} a month."
    )
    return Figure(_png("Posts kept, by month", paint, 3.1), alt)


def _lengths(inputs: Inputs) -> Figure | None:
    posts = inputs.curation.posts
    if len(posts.bins) < _FEW_BARS:
        return None
    edges = [posts.first_bin + number * posts.bin_width for number in range(len(posts.bins))]

    def paint(axes: Any) -> None:
        axes.bar(edges, posts.bins, width=0.9 * posts.bin_width, align="edge", color=ACCENT)
        last = edges[-1] + posts.bin_width
        longer = f" (longer than {formatting.number(last - 1)}: in the last bar)" if posts.longest >= last else ""
        axes.set(xlabel=f"characters{longer}", ylabel="posts kept")
        axes.yaxis.get_major_locator().set_params(integer=True)

    alt = (
        f"Lengths of the kept posts: half have at most {formatting.number(posts.median, 'character')}, "
        f"the longest has {formatting.number(posts.longest)}."
    )
    return Figure(_png("How long the kept posts are", paint, 3.1), alt)


def _dropped(inputs: Inputs) -> Figure | None:
    (_, total), *dropped, (_, kept) = ((label, abs(row[-1])) for label, row in post_counts(inputs.curation.accounts))
    counts = {label: number for label, number in dropped if number}
    if not counts:
        return None
    bars = {**counts, "Kept": kept}

    def paint(axes: Any) -> None:
        drawn = axes.barh(list(bars), list(bars.values()), color=[SECOND] * len(counts) + [ACCENT], height=0.7)
        axes.bar_label(drawn, map(formatting.number, bars.values()), padding=4, color=TEXT, fontsize=9)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set(xlabel="posts")

    largest = max(counts, key=lambda label: counts[label])
    alt = (
        f"Of {formatting.number(total, 'post')} read {formatting.number(kept)} were kept "
        f"({formatting.percent(kept, total)}); the most frequent reason to drop one: {largest.lower()} "
        f"({formatting.number(counts[largest])})."
    )
    return Figure(_png("What became of the posts", paint, 1.2 + 0.32 * len(bars)), alt)


def _png(title: str, paint: Callable[[Any], None], height: float) -> bytes:
    """Fresh axes below `title`, together `height` inches high, in the house's style whatever matplotlibrc says."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Page
    from PIL import Image

    with style.context(["default", _style()]):
        page = Page(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(page)
        paint(page.add_subplot(title=title))
        canvas.draw()
    picture = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    # A palette: a third of the bytes, nothing lost that an eye could see.
    file = io.BytesIO()
    picture.quantize(colors=128, method=Image.Quantize.FASTOCTREE).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _style() -> Any:
    colours = {key: TEXT for key in ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")}
    lines = {key: LINE for key in ("axes.edgecolor", "xtick.color", "ytick.color")}
    spines = {"axes.spines.top": False, "axes.spines.right": False}
    titles = {"axes.titlelocation": "left", "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlepad": 10}
    clear = {"figure.facecolor": "none", "axes.facecolor": "none"}
    # matplotlib brings DejaVu Sans and prefers its own copy to the system's: the same letters everywhere.
    return {"font.family": "DejaVu Sans", "font.size": 10, **colours, **lines, **spines, **titles, **clear}
