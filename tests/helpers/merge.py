"""A small README.md as we publish it, before and after, for the tests of publishing again."""

from typing import Any

from hub_publisher.readme import frontmatter
from hub_publisher.readme.merge import Merged, merge
from hub_publisher.readme.regions import Foreign, Region, split

METADATA = {
    "license": "mit",
    "library_name": "transformers",
    "tags": ["hub-publisher", "generated-posts"],
    "widget": [{"text": "My dream is"}, {"text": "no"}],
    "model-index": [
        {
            "name": "ada",
            "results": [
                {
                    "task": {"type": "text-generation"},
                    "dataset": {"type": "heldout-posts", "name": "Held-out posts of @ada"},
                    "metrics": [{"type": "perplexity", "value": 49.9}],
                }
            ],
        }
    ],
}
NAMES = ("use", "samples", "about")


def region(name: str, content: str) -> str:
    return Region(name, f"## {name}\n\n{content}\n").text + "\n"


def card(content: str, names: tuple[str, ...] = NAMES, metadata: dict[str, Any] = METADATA) -> str:
    """A README.md as we publish it: every region says `content`."""
    return f"{frontmatter.dump(metadata)}\n" + "\n".join(region(name, content) for name in names)


def hashes(content: str = "old", names: tuple[str, ...] = NAMES) -> dict[str, str]:
    """What manifest.json says of such a card's regions."""
    return {name: Region(name, f"## {name}\n\n{content}\n").hash for name in names}


def has_markers(text: str) -> bool:
    """Whether any line of `text` is a marker of a region."""
    return any(not isinstance(part, Foreign) for part in split(text))


OLD, NEW = card("old"), card("new")
PUBLISHED = (METADATA, hashes())


def merged_text(remote: str, ours: str = NEW, published: tuple[Any, Any] = PUBLISHED) -> str:
    """The merged README.md, of which nothing but what is kept had to be said."""
    merged = merge(remote.encode(), ours, *published)
    assert (merged.conflicts, merged.repairs) == ((), ())
    return merged.content.decode()


def settled(merged: Merged, ours: str = NEW, published: tuple[Any, Any] = PUBLISHED) -> None:
    """Publishing once more changes nothing, and there is nothing more to complain of."""
    again = merge(merged.content, ours, *published)
    assert again.content == merged.content
    assert (again.conflicts, again.repairs) == ((), ())
