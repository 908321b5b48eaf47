"""What can go wrong for the person at the keyboard, and what to type next.

Exit code 2 is a UsageError: what was asked for makes no sense as it was asked. Every other failure is 1. Programmer
errors are not in this tree: they fly, with their traceback.
"""


class PublisherError(Exception):
    """An error to show as one message and one remedy, without a traceback.

    `message` says what is wrong and where, `remedy` what to type next (may be empty when nothing helps).
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class UsageError(PublisherError):
    """A flag, a handle or a configuration file makes no sense."""

    exit_code = 2


class SourceError(PublisherError):
    """Posts cannot be read, or there are too few usable ones."""


class BaseModelError(PublisherError):
    """The base model cannot be loaded, or is not a causal language model."""


class TrainingError(PublisherError):
    """The training process ended without leaving a model."""


class CardError(PublisherError):
    """The model card's metadata breaks a rule of the Hub."""


class HubError(PublisherError):
    """The Hub refused a request, or could not be reached."""
