"""The whole story in order: one table of stages (stages.py), its runner (runner.py), and the readers of both."""

from hub_publisher.pipeline.plan import plan
from hub_publisher.pipeline.publish import Publication, prepare, publish

__all__ = ["Publication", "plan", "prepare", "publish"]
