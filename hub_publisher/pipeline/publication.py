"""What publish() returns: the records that say all about the result, and a look at it for people and notebooks."""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from hub_publisher.errors import PublisherError
from hub_publisher.records import Curation, Evaluation, LoadBack, Receipt, Training

if TYPE_CHECKING:
    from pandas import DataFrame

_NUM_SHOWN = 6


class Publication(NamedTuple):
    """What `publish` returns: the records of everything that can be asked about the result."""

    receipt: Receipt
    loadback: LoadBack
    curation: Curation
    training: Training
    evaluation: Evaluation

    @property
    def quality(self) -> str:
        """How good it is, in one sentence."""
        base, tuned = self.evaluation.base, self.evaluation.tuned
        return (
            f"On {tuned.num_posts:,} posts that it never saw, perplexity went from {base.perplexity:.1f} to "
            f"{tuned.perplexity:.1f} and bits per byte from {base.bits_per_byte:.3f} to {tuned.bits_per_byte:.3f}."
        )

    @property
    def samples(self) -> list[dict[str, str | None]]:
        """The samples of the card, a row each: prompt, what the model wrote, what its base wrote; None is withheld."""
        return [
            {"prompt": group.prompt, "tuned": tuned, "base": base}
            for group in self.evaluation.samples
            for tuned, base in zip(group.tuned, group.base, strict=True)
        ]

    def to_frame(self) -> "DataFrame":
        """The samples as a pandas DataFrame. Raises PublisherError without pandas."""
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise PublisherError("pandas is not installed; `.samples` needs nothing.", "pip install pandas") from error
        return DataFrame(self.samples, columns=["prompt", "tuned", "base"])

    def __repr__(self) -> str:
        return f"<Publication {self.receipt.url}: {self.quality}>"

    def _repr_html_(self) -> str:
        """The result in a notebook. What a model wrote is never markup."""
        url = escape(self.receipt.url)
        title = f'<p><b>{escape(self.receipt.repo_id)}</b>, {self.receipt.visibility}: <a href="{url}">{url}</a></p>'
        return f"{title}<p>{self.quality}</p>{''.join(self._quotes())}"

    def _quotes(self) -> Iterator[str]:
        for row in self.samples[:_NUM_SHOWN]:
            text = "<i>(withheld)</i>" if row["tuned"] is None else escape(row["tuned"]).replace("\n", "<br>")
            yield f"<blockquote><b>{escape(row['prompt'] or '')}</b>{text}</blockquote>"
