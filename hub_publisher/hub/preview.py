"""Nothing goes out unseen: before another Hub than the local one is sent anything, the local one shows it.

A preview is a repository of the local Hub: its page, its files and its widget are those that readers will get.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from hub_publisher.config import DEFAULTS, LOCAL, Config
from hub_publisher.errors import HubError
from hub_publisher.hub.repository import File, send
from hub_publisher.hub.target import Target, open_hub, visibility

NAMESPACE = "preview"
Confirm = Callable[[str, str], bool]  # is given the question and the address of the page that it is about


def asking(target: Target, config: Config, confirm: Confirm | None) -> Target:
    """The target, which from now on asks `confirm` before it is changed; the local Hub is never asked for.

    HubError, with nothing changed, when the answer is no.
    """

    def approve(files: Mapping[str, File]) -> None:
        with shown(config, files) as page:
            remedy = f"{how_to_look(config)}; the same command asks again, with nothing done twice."
            agreed(confirm, f"Publish this to {target.url} ({visibility(target.private)})?", page, remedy)

    return target if target.is_local or confirm is None else replace(target, approve=approve)


def agreed(confirm: Confirm | None, question: str, page: str, remedy: str) -> None:
    """Ask, where there is somebody to be asked. Raises HubError with the remedy when the answer is no."""
    if confirm and not confirm(question, page):
        raise HubError("Nothing went out: the answer was no.", remedy)


@contextmanager
def shown(config: Config, files: Mapping[str, File]) -> Iterator[str]:
    """The files in a repository of their own on the local Hub: its page, served for as long as this lasts."""
    repo_id = f"{NAMESPACE}/{config.name}"
    with open_hub(replace(config, hub=LOCAL)) as hub:
        hub.call(f"clearing {repo_id}", lambda: hub.api.delete_repo(repo_id, missing_ok=True))
        target = Target(hub, is_local=True, repo_id=repo_id, private=False)
        send(target, files, ())
        yield target.url


def how_to_look(config: Config) -> str:
    """The command that shows the preview again."""
    folder = "" if config.hub_dir == DEFAULTS["hub_dir"] else f" --hub-dir {config.hub_dir}"
    return f"`hub-publisher serve{folder}` shows it as {NAMESPACE}/{config.name}"
