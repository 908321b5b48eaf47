"""The Hub's API around people: who a token belongs to."""

from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR
from hub_publisher.localhub.web import Call, Routes

routes = Routes()

DEFAULT_NAMESPACE = "huggingtweets"
PICTURE = "/_static/hub.svg"


@routes.on("GET", "/api/whoami-v2")
def whoami(call: Call) -> dict:
    """Say who the token belongs to; every namespace that exists is an organisation of theirs."""
    if call.role is None:
        raise Refusal(401, "Invalid username or password.")
    others = {repo.name.split("/")[0] for repo in call.store.repos("TRUE")} - {AUTHOR, DEFAULT_NAMESPACE}
    orgs = [
        {"type": "org", "id": name, "name": name, "fullname": name, "avatarUrl": PICTURE, "isEnterprise": False,
         "roleInOrg": call.role} for name in [DEFAULT_NAMESPACE, *sorted(others)]
    ]  # fmt: skip
    token = {"displayName": f"local-{call.role}", "role": call.role, "createdAt": "2024-01-01T00:00:00.000Z"}
    user = {"type": "user", "id": AUTHOR, "name": AUTHOR, "fullname": "Local Hub", "isPro": False, "canPay": False}
    more = {"emailVerified": False, "periodEnd": None, "avatarUrl": PICTURE, "orgs": orgs}
    return user | more | {"auth": {"type": "access_token", "accessToken": token}}


@routes.on("GET", "/api/agent-harnesses")
def agent_harnesses(call: Call) -> dict:
    """Return no coding agents: the Python client asks for a list of them and, without an answer, asks again."""
    return {"standardEnvVars": [], "harnesses": {}}
