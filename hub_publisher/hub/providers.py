"""Who serves the published model, in the Hub's own word: asked after a push, and of no consequence for it.

Providers choose by themselves what they serve, and nothing that a card says makes them. So the answer is told, not
promised: https://huggingface.co/docs/inference-providers/hub-api
"""

import json
from dataclasses import replace

from huggingface_hub.errors import HfHubHTTPError

from hub_publisher.errors import HubError
from hub_publisher.hub.client import RETRY_POLICY, HubClient, RetryPolicy
from hub_publisher.hub.target import Target
from hub_publisher.readme.escape import NAME_LIMIT, one_line, shorten
from hub_publisher.records import Receipt

NOBODY = "No inference provider serves this model, so its page shows the recorded examples instead of a live widget."
NAMELESS = "Served by an inference provider that the Hub does not name."
UNKNOWN = "Whether an inference provider serves this model could not be asked."
# The publication is done and its user waits: this much and no more for a line of information.
_NUM_ATTEMPTS = 2
_SECONDS = 30.0


def inference_status(target: Target, receipt: Receipt, retry_policy: RetryPolicy = RETRY_POLICY) -> str:
    """One or two lines: the providers that serve the model now, and those that are listed without serving it.

    Raises no HubError: when the Hub cannot be asked, the lines say so and why.
    """
    hub = HubClient(target.endpoint, target.token, replace(retry_policy, num_attempts=_NUM_ATTEMPTS))
    seconds = min(_SECONDS, retry_policy.request_seconds)
    try:
        is_served, providers = hub.call(
            f"telling who serves {receipt.repo_id}", lambda: _ask(hub, receipt.repo_id), seconds
        )
    except HubError as error:
        return f"{UNKNOWN}\n{one_line(error.message)}"
    live = _listed(providers, live=True)
    others = _listed(providers, live=False)
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
