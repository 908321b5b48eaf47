"""What the template says about how good the model is and how much it copies."""

from typing import Any

from hub_publisher.card import formatting
from hub_publisher.card.inputs import Inputs
from hub_publisher.records import Comparison, Interval, Memorisation, Metrics, TextStatistics

_CONFIDENCE = "95 %"
_METRICS = (
    ("Loss (nats per token)", "eval_loss", 3),  # and how many decimals say something
    ("Perplexity (per token)", "perplexity", 1),
    ("Bits per byte", "bits_per_byte", 3),
)


def evaluation(inputs: Inputs) -> dict[str, Any]:
    """The metrics of both models with their intervals, how the posts were split, and benchmark results if any."""
    base, tuned = inputs.evaluation.base, inputs.evaluation.tuned
    kept = inputs.curation.num_train + inputs.curation.num_heldout
    return {
        "rows": [_metric_row(label, base, tuned, name, decimals) for label, name, decimals in _METRICS],
        "confidence": _CONFIDENCE,
        "finding": _finding(base, tuned),
        **_comparison(inputs.evaluation.comparison, tuned.num_posts),
        "num_posts": formatting.count(tuned.num_posts, "post"),
        "num_tokens": formatting.count(tuned.num_tokens, "token"),
        "num_bytes": formatting.count(tuned.num_bytes, "byte"),
        "heldout_share": formatting.percent(inputs.curation.num_heldout, kept),
        "split_by": inputs.curation.split_by,
        "benchmarks": [_benchmark_row(entry) for entry in inputs.eval_results],
    }


def _metric_row(label: str, base: Metrics, tuned: Metrics, name: str, decimals: int) -> tuple[str, str, str, str]:
    cells = [
        f"{getattr(metrics, name):.{decimals}f} ({interval(getattr(metrics, f'{name}_interval'), decimals)})"
        for metrics in (base, tuned)
    ]
    before, after = getattr(base, name), getattr(tuned, name)
    change = f"{100 * (after / before - 1):+.1f} %".replace("-", "−") if before else ""
    return label, cells[0], cells[1], change


def interval(bounds: Interval, decimals: int = 3) -> str:
    """`3.851 to 3.972`."""
    return f"{bounds.low:.{decimals}f} to {bounds.high:.{decimals}f}".replace("-", "−")


def _comparison(comparison: Comparison, num_posts: int) -> dict[str, str]:
    difference = f"{comparison.eval_loss_difference:+.3f}".replace("-", "−")
    return {
        "better_on": f"{formatting.count(comparison.num_posts_better)} of {formatting.count(num_posts)}",
        "difference": f"{difference} nats per token ({interval(comparison.eval_loss_difference_interval)})",
        "num_resamples": formatting.count(comparison.num_resamples),
    }


def _finding(base: Metrics, tuned: Metrics) -> str:
    before, after = formatting.significant(base.perplexity), formatting.significant(tuned.perplexity)
    if tuned.perplexity < base.perplexity:
        return f"Fine-tuning lowered the perplexity of posts it had not seen from {before} to {after}."
    return f"Fine-tuning did not lower the perplexity of posts it had not seen: {before} before, {after} after."


def _benchmark_row(entry: dict[str, Any]) -> dict[str, Any]:
    source = entry.get("source") or {}
    return {
        "dataset": entry["dataset"]["id"],
        "task": entry["dataset"]["task_id"],
        "value": str(entry["value"]),
        "source": source.get("name") or source.get("url") or "the publisher",
        "url": source.get("url"),
    }


def memorisation(inputs: Inputs) -> dict[str, Any]:
    """How much the model repeats of the posts it learned from, beside the two controls."""
    measured = inputs.evaluation.memorisation
    sets = (measured.tuned, measured.base, measured.heldout)
    return {
        "finding": _copying(measured),
        "copy_words": measured.copy_words,
        "num_words": formatting.count(measured.num_words, "word"),
        "rows": [
            ("Texts", *(formatting.count(each.num_texts) for each in sets)),
            (f"That repeat {measured.copy_words} words in a row of a training post", *map(_copied, sets)),
            (
                "Longest run shared with a training post, in words",
                *(formatting.count(each.longest_copy) for each in sets),
            ),
            *(
                (f"Runs of {n} words that stand in no training post", *(_share(each.novelty, n) for each in sets))
                for n in sorted(measured.tuned.novelty)
            ),
            *(
                (f"Distinct-{n}", *(f"{each.distinct[n]:.3f}" if n in each.distinct else "" for each in sets))
                for n in sorted(measured.tuned.distinct)
            ),
        ],
    }


def _copied(statistics: TextStatistics) -> str:
    return (
        f"{formatting.count(statistics.num_copied)} ({formatting.percent(statistics.num_copied, statistics.num_texts)})"
    )


def _share(shares: dict[int, float], n: int) -> str:
    return formatting.percent(shares[n], 1) if n in shares else ""


def _copying(measured: Memorisation) -> str:
    """The excess in a sentence: what the model copies more than texts that cannot have been copied."""
    tuned, base, heldout = measured.tuned, measured.base, measured.heldout
    points = f"{100 * measured.excess:+.1f}".replace("-", "−")
    return (
        f"Of {formatting.count(tuned.num_texts, 'text')} it wrote {formatting.count(tuned.num_copied)} repeat "
        f"{measured.copy_words} or more words in a row of a training post. By chance and habit alone, "
        f"{formatting.count(base.num_copied)} of {formatting.count(base.num_texts)} by its base model do, and "
        f"{formatting.count(heldout.num_copied)} of {formatting.count(heldout.num_texts, 'held-out post')}: "
        f"an excess of {points} percentage points over the larger of the two."
    )
