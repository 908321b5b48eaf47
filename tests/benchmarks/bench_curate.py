"""Curation's cost on up to a million posts, beside the rules of huggingtweets on the same posts.

    python tests/benchmarks/bench_curate.py --posts 1000000

The posts are real sentences (of ../shared/data where that is there, else of the bundled sample) put together anew, two
and a running number each, beside one in four that is a real post as it was: reposts, links and duplicates included.
Times are CPU seconds, so that other work on the machine does not count.
"""

import argparse
import random
import re
import resource
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

from hub_publisher.config import Config
from hub_publisher.curate import curate
from hub_publisher.curate.rules import sieve
from hub_publisher.records import Post, Timeline
from hub_publisher.sources import fetch, sample

TIMELINES = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "timelines"
START = datetime(2010, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print one row for each size: 10,000, 100,000, ... up to the number asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000, help="posts of the largest round [100000]")
    largest = parser.parse_args().posts
    texts = real_texts()
    print(f"{len(texts):,} real posts recombined; CPU seconds and posts per second")
    print("|     posts | our rules |  posts/s | whole stage |  posts/s | huggingtweets |  posts/s | ours/theirs |")
    print("|----------:|----------:|---------:|------------:|---------:|--------------:|---------:|------------:|")
    for size in sizes(largest):
        print(row(size, texts), flush=True)
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def sizes(largest: int) -> Iterator[int]:
    """10,000, 100,000, ... and the largest."""
    size = 10_000
    while size < largest:
        yield size
        size *= 10
    yield largest


def row(size: int, texts: list[str]) -> str:
    """One row of the table, with what each side kept below it."""
    posts = recombined(texts, size)
    theirs_seconds, theirs = timed(lambda: huggingtweets_rules(posts))
    ours_seconds, ours = timed(lambda: sieve(posts, escapes_html=True))
    with tempfile.TemporaryDirectory() as folder:
        timeline = Timeline(
            fingerprint="", source="files", handle="bench", display_name="", escapes_html=True, posts=tuple(posts)
        )
        config = Config(handle="bench", runs_dir=Path(folder))
        stage_seconds, curation = timed(lambda: curate(config, timeline))
    assert curation.accounts[0].num_kept == len(ours.kept)
    cells = [
        f"{size:>9,}",
        *(f"{ours_seconds:>9.2f}", f"{size / ours_seconds:>8,.0f}"),
        *(f"{stage_seconds:>11.2f}", f"{size / stage_seconds:>8,.0f}"),
        *(f"{theirs_seconds:>13.2f}", f"{size / theirs_seconds:>8,.0f}"),
        f"{ours_seconds / theirs_seconds:>11.1f}",
    ]
    return f"| {' | '.join(cells)} |\n  ours kept {len(ours.kept):,}: {ours.dropped}\n  theirs kept {len(theirs):,}"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds that `work` took, and its result."""
    start = process_time()
    result = work()
    return process_time() - start, result


def real_texts() -> list[str]:
    """Texts of real posts, HTML-escaped as X writes them."""
    names = ["nasa_2017-2018.api_full_text.csv", "pontifex_2017.api_140.csv", "realdonaldtrump_condensed_2017.json"]
    sources = [{"from_path": TIMELINES / name} for name in names] if TIMELINES.is_dir() else [{}]
    texts: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            config = Config(handle=sample.HANDLE, runs_dir=Path(folder), **source)
            texts += [post.text for post in fetch(config).posts]
    return texts


def recombined(texts: list[str], size: int) -> list[Post]:
    """`size` posts, the same for the same texts: one in four real, the others two sentences and a number."""
    rng = random.Random(7)
    sentences = [part for text in texts for part in re.split(r"(?<=[.!?])\s+", text) if len(part) > 15]
    posts = []
    for number in range(size):
        is_real = rng.random() < 0.25
        text = rng.choice(texts) if is_real else f"{rng.choice(sentences)} {rng.choice(sentences)} {number}"
        moment = START + timedelta(seconds=number)
        posts.append(Post(id=str(number), text=text, created_at=moment, is_reply=text.startswith("@")))
    return posts


def huggingtweets_rules(posts: list[Post]) -> list[str]:
    """What huggingtweets does to the same posts, told in our words.

    Its demo notebook (huggingtweets-demo.ipynb, 2022): drop retweets, replace three entities one after the other, cut
    links with a space before, behind or on neither side, fold spaces, and keep a text in which three words are left
    that contain no link, @ or #. No duplicates, no cut texts, no masks.
    """
    kept = []
    for post in posts:
        if post.text.startswith("RT @"):
            continue
        text = post.text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
        for scheme in ("http:", "https:"):
            for pattern in (rf" {scheme}\S+", rf"{scheme}\S+ ", rf"\n{scheme}\S+ ", rf"\n{scheme}\S+", rf"{scheme}\S+"):
                text = re.sub(pattern, "", text)
        text = re.sub(" +", " ", text).strip()
        interesting = [word for word in text.split() if not any(mark in word.lower() for mark in ("http", "@", "#"))]
        if len(interesting) >= 3:
            kept.append(text)
    return kept


if __name__ == "__main__":
    main()
