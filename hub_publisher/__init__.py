"""Fine-tune a language model on an account's posts and publish it, with a truthful card, to the Hub."""

__version__ = "0.1.0"
