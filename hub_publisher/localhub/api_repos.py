"""The Hub's API around repositories: create, delete, make private or public, list, describe; and who is asking."""

from starlette.responses import Response

from hub_publisher.localhub import metadata, proof
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, REPO_NAME, File, Repo, lfs_pointer
from hub_publisher.localhub.web import Call, Routes

routes = Routes()

KINDS = {"model": "", "dataset": "datasets/", "space": "spaces/"}
RESERVED = {"api", "datasets", "spaces", "models", "login"}
DEFAULT_NAMESPACE = "huggingtweets"


@routes.on("GET", "/api/whoami-v2")
def whoami(call: Call) -> dict:
    """Say who the token belongs to; every namespace that exists is an organisation of theirs."""
    if call.role is None:
        raise Refusal(401, "Invalid username or password.")
    names = {DEFAULT_NAMESPACE, *(repo.name.split("/")[0] for repo in call.store.repos("TRUE"))} - {AUTHOR}
    orgs = [{"type": "org", "name": name, "roleInOrg": call.role} for name in sorted(names)]
    token = {"displayName": f"local-{call.role}", "role": call.role}
    auth = {"type": "access_token", "accessToken": token}
    return {"type": "user", "name": AUTHOR, "fullname": "Local Hub", "orgs": orgs, "auth": auth}


@routes.on("GET", "/api/proof")
def prove(call: Call) -> dict:
    """Prove to whoever knows the token that this server knows it too."""
    return {"proof": proof(call.hub.access.key.decode(), call.query("nonce")[:64])}


@routes.on("POST", "/api/validate-yaml", is_open=True)
def validate_yaml(call: Call) -> object:
    """Check a README by the Hub's rules; errors are answered with 400."""
    if errors := metadata.refused(str(call.json().get("content", ""))):
        found = {"errors": [{"message": text} for text in errors], "warnings": []}
        raise Refusal(400, f"Invalid metadata in README.md: {'; '.join(errors)}", extra=found)
    return {"errors": [], "warnings": []}


def full_name(data: dict) -> str:
    """Return namespace/name from the body of a create or delete; Refusal(400) for what the Hub refuses."""
    name, organization = data.get("name"), data.get("organization")
    if isinstance(name, str) and "/" in name and not organization:
        organization, name = name.split("/", 1)
    for part in (name, organization := organization or AUTHOR):
        if not isinstance(part, str) or not REPO_NAME.fullmatch(part) or part.lower().endswith((".git", ".ipynb")):
            raise Refusal(400, f"Invalid repo name: {part}. Use letters, digits, -, _ and . (at most 96)")
    if organization.lower() in RESERVED or organization.startswith("_"):
        raise Refusal(400, f"Invalid namespace: {organization} is an address of this Hub")
    return f"{organization}/{name}"


def kind_of(data: dict) -> str:
    """Return the repository type in a body, model when there is none."""
    kind = data.get("type") or "model"
    if not isinstance(kind, str) or kind not in KINDS:
        raise Refusal(400, f"Invalid repo type: {kind}")
    return kind


def is_private(visibility: object) -> bool:
    """Return what a `visibility` says; Refusal(400) for all but public and private."""
    if visibility not in ("public", "private"):
        raise Refusal(400, "The local Hub keeps one setting of a repository: its visibility, public or private")
    return visibility == "private"


@routes.on("POST", "/api/repos/create")
def create(call: Call) -> dict:
    """Create a repository. When it exists, 409 carries its `url` too: clients with exist_ok read it."""
    data = call.json()
    kind, name = kind_of(data), full_name(data)
    made = {"url": f"{call.base_url}/{KINDS[kind]}{name}", "name": name, "id": name}
    if data.get("files"):
        raise Refusal(400, "The local Hub takes files in commits: create the repository without any")
    try:
        call.store.create_repo(kind, name, is_private(data.get("visibility") or "public"))
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.message, extra=made) from refusal
    return made


@routes.on("DELETE", "/api/repos/delete")
def delete(call: Call) -> dict:
    """Delete a repository for good."""
    data = call.json()
    call.store.delete_repo(call.store.repo(kind_of(data), full_name(data)))
    return {}


@routes.on("PUT", "/api/{type}s/{repo}/settings")
def settings(call: Call) -> dict:
    """Make a repository private or public."""
    repo, private = call.repo(), is_private(call.json().get("visibility"))
    with call.store.transaction() as database:
        database.execute("UPDATE repos SET private = ? WHERE id = ?", (private, repo.id))
    return {"private": private}


@routes.on("GET", "/api/{type}s")
def list_repos(call: Call) -> Response:
    """List the repositories of a type, newest first: of `author`, with `search` in their names."""
    return call.paged(find_repos(call, call.values["type"], call.query("author"), call.query("search")))


def find_repos(call: Call, kind: str, author: str, search: str) -> list[dict]:
    """Describe the repositories that the caller may see, newest first; each word of `search` is in their names."""
    found = []
    for repo in call.store.repos("type = ? AND (? OR NOT private)", kind, call.role is not None):
        name = repo.name.lower()
        if author.lower() in ("", name.split("/")[0]) and all(word in name for word in search.lower().split()):
            found.append(describe(call, repo))
    return sorted(found, key=lambda info: info["lastModified"], reverse=True)


def describe(call: Call, repo: Repo, revision: str = "main") -> dict:
    """Return what the Hub tells about a repository at a revision."""
    store = call.store
    commit = store.resolve(repo, revision)
    files = store.files(commit)
    card, _ = metadata.card_of(files, store.blobs)
    config = metadata.json_of(files, "config.json", store.blobs)
    info = {
        "_id": f"{repo.id:024x}", "id": repo.name, "author": repo.name.split("/")[0], "sha": commit,
        "private": repo.private, "gated": False, "createdAt": repo.created_at, "downloads": 0, "likes": 0,
        "lastModified": store.rows("SELECT date FROM commits WHERE oid = ?", commit)[0][0],
        "tags": metadata.tags_of(card, config, files), "cardData": card,
        "siblings": [_sibling(file) for file in files.values()],
        "usedStorage": sum(file.size for file in files.values()),
    }  # fmt: skip
    if repo.type == "model":
        info |= {"config": config, "pipeline_tag": card.get("pipeline_tag") or _task_of(config)}
        info |= {"library_name": card.get("library_name"), "safetensors": metadata.safetensors_of(files, store.blobs)}
    return {key: value for key, value in info.items() if value is not None}


def _task_of(config: dict) -> str | None:
    names = [name for name in metadata.listed(config.get("architectures")) if isinstance(name, str)]
    return "text-generation" if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names) else None


def _sibling(file: File) -> dict:
    shown = {"rfilename": file.path, "size": file.size, "blobId": file.oid}
    return shown | ({"lfs": lfs_info(file, "sha256")} if file.lfs else {})


def lfs_info(file: File, hash_name: str) -> dict:
    """Return the LFS facts of a file; the hash is called sha256 in some replies and oid in others."""
    return {hash_name: file.sha256, "size": file.size, "pointerSize": len(lfs_pointer(file.sha256, file.size))}


@routes.on("GET", "/api/{type}s/{repo}/revision/{rev}")
@routes.on("GET", "/api/{type}s/{repo}")
def info(call: Call) -> dict:
    """Describe a repository, at main or another revision."""
    return describe(call, call.repo(), call.values.get("rev", "main"))
