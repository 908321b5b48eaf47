"""The pages of pull requests: their list, and each with its changes and the button that merges it."""

from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from hub_publisher.localhub.api_pulls import events_of, find, merge_pull_request, pull_requests, try_merge
from hub_publisher.localhub.api_repos import KINDS
from hub_publisher.localhub.changes import changes
from hub_publisher.localhub.pages import model_page
from hub_publisher.localhub.web import Call, Routes

routes = Routes()


@routes.on("GET", "/{kind}{repo}/discussions")
def list_page(call: Call) -> Response:
    """List a repository's pull requests, newest first."""
    return model_page(call, "pulls", pulls=pull_requests(call.store, call.repo()))


@routes.on("GET", "/{kind}{repo}/discussions/{num}")
def pull_page(call: Call) -> Response:
    """Show a pull request: what merging it would change, or what it changed."""
    store, repo = call.store, call.repo()
    found = find(call, repo)
    target, merged, conflicts = try_merge(store, repo, found)
    if found.mergeable and not conflicts:
        old, new = store.files(target), merged
    else:  # as its author made it, from where it left its target
        old, new = store.files(found.base), store.files(store.resolve(repo, f"refs/pr/{found.num}"))
    texts = [
        event["data"]["latest"]["raw"] for event in events_of(store, repo, found.num) if event["type"] == "comment"
    ]
    may_merge = call.hub.access.page_role(call.request) == "write"
    return model_page(
        call, "pull", pull=found, comments=list(filter(None, texts)), changed=list(changes(old, new, store.blobs)),
        conflicts=sorted(conflicts) if found.mergeable else [], may_merge=may_merge,
    )  # fmt: skip


@routes.on("POST", "/{kind}{repo}/discussions/{num}/merge", limit=2**10)
def merge_page(call: Call) -> Response:
    """Merge a pull request from its page, and show that page again; Refusal as the API's merging does."""
    role = call.hub.access.form_role(call.request, call.role)
    repo = call.repo()
    merge_pull_request(replace(call, role=role))
    return RedirectResponse(f"/{KINDS[repo.type]}{repo.name}/discussions/{call.values['num']}", 303)
