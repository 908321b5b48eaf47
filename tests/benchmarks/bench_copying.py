"""What it costs to look for copies of up to a million posts in the texts of an evaluation.

    python tests/benchmarks/bench_copying.py --posts 1000000

The posts are those of bench_curate.py; a hundred of them, a hundred halves of them and a hundred others stand for the
three sets of texts. Times are CPU seconds, so that other work on the machine does not count.
"""

import argparse
from time import process_time

from bench_curate import real_texts, recombined, sizes

from hub_publisher.evaluate.memorisation import Text, statistics

NUM_TEXTS = 100


def main() -> None:
    """Print one row for each size: 10,000, 100,000, ... up to the number asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000, help="posts of the largest round [100000]")
    largest = parser.parse_args().posts
    texts = real_texts()
    print("|     posts | CPU seconds |  posts/s | copies found |")
    print("|----------:|------------:|---------:|-------------:|")
    for size in sizes(largest):
        posts = [post.text for post in recombined(texts, size)]
        chosen = posts[:: size // NUM_TEXTS][:NUM_TEXTS]
        whole = [Text("My dream is", f" {post}") for post in chosen]
        halves = [Text("My dream is", f" {post[: len(post) // 2]}") for post in chosen]
        started = process_time()
        found = statistics(iter(posts), whole, halves, [text[::-1] for text in texts[:NUM_TEXTS]])
        seconds = process_time() - started
        copies = "/".join(str(each.num_copied) for each in (found.tuned, found.base, found.heldout))
        print(f"| {size:>9,} | {seconds:>11.2f} | {size / seconds:>8,.0f} | {copies:>12} |", flush=True)


if __name__ == "__main__":
    main()
