"""Fine-tune a language model on an account's posts and publish it, with a truthful card, to the Hub.

>>> from hub_publisher import publish
>>> publish(handle="lampkeeper_bot")  # doctest: +SKIP
>>> publish(handle="me", posts=["What I wrote.", "What else I wrote."])  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from hub_publisher.config import Config

if TYPE_CHECKING:
    from hub_publisher.pipeline.from_python import publish

__version__ = "0.1.0"
__all__ = ["Config", "__version__", "publish"]


def __getattr__(name: str) -> Any:
    """`publish` arrives with torch and transformers behind it, so only when somebody asks for it."""
    if name == "publish":
        from hub_publisher.pipeline.from_python import publish

        return publish
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
