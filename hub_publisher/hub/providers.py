"""Who serves the published model, in the Hub's own word: asked after a push, and of no consequence for it.

Providers choose by themselves what they serve, and nothing that a card says makes them. So the answer is told, not
promised: https://huggingface.co/docs/inference-providers/hub-api
"""

import json

from huggingface_hub.errors import HfHubHTTPError

from hub_publisher.errors import HubError
from hub_publisher.hub.client import HubClient
from hub_publisher.readme.escape import NAME_LIMIT, one_line, shorten

NOBODY = "No inference provider serves this model, so its page shows the recorded examples instead of a live widget."
NAMELESS = "Served by an inference provider that the Hub does not name."
UNKNOWN = "Whether an inference provider serves this model could not be asked."
_SECONDS = 30.0  # the publication is done and its user waits: no longer than this for a line of information


def inference_status(hub: HubClient, repo_id: str) -> str:
    """One or two lines: the providers that serve the model now, and those that are listed without serving it.

    Raises no HubError: when the Hub cannot be asked, the lines say so and why.
    """
    seconds = min(_SECONDS, hub.retry_policy.request_seconds)
    try:
        is_served, providers = hub.call(
            f"telling who serves {repo_id}", lambda: _ask(hub, repo_id), seconds, most_attempts=2
        )
    except HubError as error:
        return f"{UNKNOWN}\n{one_line(error.message)}"
    live, others = _listed(providers, live=True), _listed(providers, live=False)
    first = f"Served by {live}." if live else NAMELESS if is_served else NOBODY
    return f"{first}\nListed without serving it: {others}." if others else first


def _ask(hub: HubClient, repo_id: str) -> tuple[bool, dict[str, str]]:
    """Whether anybody serves the model, and the status of each provider that lists it, by name. One attempt."""
    try:
        info = hub.api.model_info(repo_id, expand=["inference", "inferenceProviderMapping"])
    except (HfHubHTTPError, json.JSONDecodeError):
        raise
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        # How ModelInfo fails when the answer has another shape; that of the mapping has changed before.
        raise HubError(f"The Hub at {hub.endpoint} answered in a shape that huggingface_hub cannot read.") from error
    listed = info.inference_provider_mapping or []
    return info.inference == "warm", {str(entry.provider): str(entry.status) for entry in listed}


def _listed(providers: dict[str, str], live: bool) -> str:
    """ "featherless-ai (live), novita (live)": the providers whose status is "live", or those where it is another."""
    chosen = {name: status for name, status in providers.items() if (status == "live") is live}
    return ", ".join(f"{_named(name)} ({_named(status)})" for name, status in chosen.items())


def _named(name: str) -> str:
    return shorten(one_line(name), NAME_LIMIT)
