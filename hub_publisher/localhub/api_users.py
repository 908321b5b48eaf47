"""The Hub's API around people: who am I, whose repositories lie here, and that nobody likes or follows anything yet."""

from starlette.responses import Response

from hub_publisher.localhub.api_repos import describe
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, Repo
from hub_publisher.localhub.web import Call, routes

DEFAULT_NAMESPACE = "huggingtweets"
PICTURE = "/_static/hub.svg"


def visible(call: Call) -> list[tuple[str, Repo]]:
    """Return (namespace, repository) for each one that the caller may see."""
    return [(repo.name.split("/")[0], repo) for repo in call.store.repos("? OR NOT private", call.role is not None)]


@routes.on("GET", "/api/whoami-v2")
def whoami(call: Call) -> dict:
    """Say who the token belongs to; every namespace that exists is an organisation of theirs."""
    if call.role is None:
        raise Refusal(401, "Invalid username or password.")
    others = {namespace for namespace, _ in visible(call)} - {AUTHOR, DEFAULT_NAMESPACE}
    orgs = [
        {"type": "org", "id": name, "name": name, "fullname": name, "avatarUrl": PICTURE, "isEnterprise": False,
         "roleInOrg": call.role} for name in [DEFAULT_NAMESPACE, *sorted(others)]
    ]  # fmt: skip
    token = {"displayName": f"local-{call.role}", "role": call.role, "createdAt": "2024-01-01T00:00:00.000Z"}
    user = {"type": "user", "id": AUTHOR, "name": AUTHOR, "fullname": "Local Hub", "isPro": False, "canPay": False}
    more = {"emailVerified": False, "periodEnd": None, "avatarUrl": PICTURE, "orgs": orgs}
    return user | more | {"auth": {"type": "access_token", "accessToken": token}}


@routes.on("GET", "/api/users/{user}/overview")
@routes.on("GET", "/api/organizations/{user}/overview")
def overview(call: Call) -> dict:
    """Tell how many repositories lie in a namespace; Refusal(404) when there is no such namespace."""
    name = call.values["user"]
    types = [repo.type for namespace, repo in visible(call) if namespace == name]
    if not types and name not in (AUTHOR, DEFAULT_NAMESPACE):
        raise Refusal(404, f"There is no user or organization {name} here")
    shown = {"user": name, "name": name, "fullname": name, "avatarUrl": PICTURE, "numLikes": 0, "numFollowers": 0}
    shown |= {f"num{kind.capitalize()}s": types.count(kind) for kind in ("model", "dataset", "space")}
    return shown | {"type": "user" if name == AUTHOR else "org", "orgs": []}


@routes.on("GET", "/api/settings/repositories")
@routes.on("GET", "/api/organizations/{user}/settings/repositories")
def storage(call: Call) -> Response:
    """List repositories with what they take on the disk: all, or those of one namespace."""
    if call.role is None:
        raise Refusal(401, "Invalid username or password.")
    asked = call.values.get("user")
    infos = [(repo, describe(call, repo)) for namespace, repo in visible(call) if asked in (None, namespace)]
    shown = [
        {"id": repo.name, "type": repo.type, "updatedAt": info["lastModified"], "storage": info["usedStorage"],
         "visibility": "private" if repo.private else "public", "storagePercent": 0}
        for repo, info in infos
    ]  # fmt: skip
    return call.paged(shown)


@routes.on("GET", "/api/users/{user}/likes")
@routes.on("GET", "/api/users/{user}/followers")
@routes.on("GET", "/api/users/{user}/following")
@routes.on("GET", "/api/organizations/{user}/followers")
@routes.on("GET", "/api/organizations/{user}/members")
def nobody(call: Call) -> list:
    """Return none: people like and follow one another on the Hub that everyone shares."""
    return []


@routes.on("GET", "/api/{type}s/{repo}/likers")
def likers(call: Call) -> list:
    """Return none, for a repository that is there."""
    call.repo()
    return []


@routes.on("DELETE", "/api/{type}s/{repo}/like")
def unlike(call: Call) -> dict:
    """Do nothing, for a repository that is there."""
    call.repo(write=True)
    return {}


@routes.on("GET", "/api/agent-harnesses")
def agent_harnesses(call: Call) -> dict:
    """Tell the Python client that no agent is known here, or each process would ask again."""
    return {"standardEnvVars": [], "harnesses": {}}


@routes.on("GET", "/api/telemetry/{path}")
def telemetry(call: Call) -> Response:
    """Take note of nothing."""
    return Response(status_code=204)
