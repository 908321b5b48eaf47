"""The Hub's API around repositories: create, delete, make private or public, list, describe."""

from starlette.responses import Response

from hub_publisher.localhub import metadata
from hub_publisher.localhub.operations import apply_changes, read_change
from hub_publisher.localhub.refusal import Refusal
from hub_publisher.localhub.store import AUTHOR, REPO_NAME, Draft, File, Repo, lfs_pointer
from hub_publisher.localhub.web import Call, Routes

routes = Routes()

KINDS = {"model": "", "dataset": "datasets/", "space": "spaces/"}
RESERVED = {"api", "datasets", "spaces", "models", "login"}


@routes.on("POST", "/api/validate-yaml")
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


def wants_private(data: dict) -> bool | None:
    """Return the visibility in a body (`visibility`, or `private` from older clients), None when it says nothing."""
    if (visibility := data.get("visibility")) is not None:
        if visibility not in ("public", "private"):
            raise Refusal(400, f"Invalid visibility: {visibility}")
        return visibility == "private"
    return None if data.get("private") is None else bool(data["private"])


@routes.on("POST", "/api/repos/create")
def create(call: Call) -> dict:
    """Create a repository. When it exists, 409 carries its `url` too: clients with exist_ok read it."""
    data = call.json()
    kind, name = kind_of(data), full_name(data)
    if call.role == "read":
        raise Refusal(403, f'You don\'t have the rights to create a {kind} under the namespace "{name.split("/")[0]}"')
    call.must_write()
    made = {"url": f"{call.base_url}/{KINDS[kind]}{name}", "name": name, "id": name}
    given = data.get("files") or []  # the JavaScript client may send the first files along
    if not isinstance(given, list):
        raise Refusal(400, '"files" must be an array')
    changes = [read_change(call.store, "file", item) for item in given if isinstance(item, dict)]
    try:
        repo = call.store.create_repo(kind, name, wants_private(data) or False)
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.message, extra=made) from refusal
    if changes:
        head = call.store.resolve(repo, "main")
        files = apply_changes(call.store, call.store.files(head), changes, head)
        with call.store.transaction() as database:
            call.store.add_commit(database, repo.id, Draft("refs/heads/main", head, "first files"), files)
    return made


@routes.on("DELETE", "/api/repos/delete")
def delete(call: Call) -> dict:
    """Delete a repository for good."""
    data = call.json()
    call.must_write()
    call.store.delete_repo(call.store.repo(kind_of(data), full_name(data)))
    return {}


@routes.on("PUT", "/api/{type}s/{repo}/settings")
def settings(call: Call) -> dict:
    """Make a repository private or public."""
    repo, private = call.repo(write=True), wants_private(call.json())
    if private is None:
        raise Refusal(400, "The local Hub keeps one setting of a repository: its visibility")
    with call.store.transaction() as database:
        database.execute("UPDATE repos SET private = ? WHERE id = ?", (private, repo.id))
    return {"private": private}


@routes.on("GET", "/api/{type}s")
def list_repos(call: Call) -> Response:
    """List the repositories that the caller may see: author, search, filter, pipeline_tag, sort, full."""
    visible = "type = ?" if call.role else "type = ? AND NOT private"
    found = [describe(call, repo) for repo in call.store.repos(visible, call.values["type"])]
    found = [info for info in found if _matches(call, info)]
    key = {"createdAt": "createdAt", "created_at": "createdAt", "id": "id"}.get(call.query("sort"), "lastModified")
    found.sort(key=lambda info: info[key], reverse=call.query("direction", "-1") != "1")
    return call.paged([trim(call, info, full=call.flag("full")) for info in found])


def _matches(call: Call, info: dict) -> bool:
    query = call.request.query_params
    wanted = [tag for value in query.getlist("filter") for tag in value.split(",")]
    author, search, task = (query.get(key, "").lower() for key in ("author", "search", "pipeline_tag"))
    name = info["id"].lower()
    return (
        (not author or name.split("/")[0] == author)
        and all(word in name for word in search.split())
        and (not task or info.get("pipeline_tag") == task)
        and set(wanted) <= set(info["tags"])
    )


def trim(call: Call, info: dict, full: bool) -> dict:
    """Return the parts of a description that the caller asked for with `expand`, or that lists leave out."""
    expand = call.request.query_params.getlist("expand") + call.request.query_params.getlist("expand[]")
    if expand:
        # Nobody serves what lies here: "inference" stays away, as the Hub documents, and the mapping is empty.
        if "modelId" in info:
            info = {**info, "inferenceProviderMapping": {}}
        return {key: value for key, value in info.items() if key in {"_id", "id", *expand}}
    heavy = {"cardData": call.flag("cardData"), "config": call.flag("config"), "safetensors": False, "siblings": False}
    return info if full else {key: value for key, value in info.items() if heavy.get(key, True)}


def describe(call: Call, repo: Repo, revision: str = "main", blobs: bool = False) -> dict:
    """Return what the Hub tells about a repository at a revision; with `blobs`, sizes and hashes of its files."""
    store = call.store
    commit = store.resolve(repo, revision)
    files = store.files(commit)
    card, _ = metadata.card_of(files, store.blobs)
    config = metadata.config_of(files, store.blobs)
    info = {
        "_id": f"{repo.id:024x}", "id": repo.name, "author": repo.name.split("/")[0], "sha": commit,
        "private": repo.private, "gated": False, "disabled": False,
        "lastModified": store.rows("SELECT date FROM commits WHERE oid = ?", commit)[0][0],
        "createdAt": repo.created_at, "downloads": 0, "likes": 0,
        "tags": metadata.tags_of(card, config, files), "cardData": card,
        "siblings": [_sibling(file, blobs) for file in files.values()],
        "usedStorage": sum(file.size for file in files.values()),
    }  # fmt: skip
    if repo.type == "model":
        info |= {"modelId": repo.name, "config": config, "spaces": [], "widgetData": card.get("widget")}
        info["pipeline_tag"] = card.get("pipeline_tag") or _task_of(config)
        info |= {key: card[key] for key in ("library_name", "model-index") if card.get(key) is not None}
        if weights := metadata.safetensors_of(files, store.blobs):
            info["safetensors"] = weights
    return {key: value for key, value in info.items() if value is not None}


def _task_of(config: dict) -> str | None:
    names = [name for name in metadata.listed(config.get("architectures")) if isinstance(name, str)]
    return "text-generation" if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names) else None


def _sibling(file: File, blobs: bool) -> dict:
    entry: dict = {"rfilename": file.path}
    if blobs:
        entry |= {"size": file.size, "blobId": file.oid}
        if file.lfs:
            entry["lfs"] = lfs_info(file, "sha256")
    return entry


def lfs_info(file: File, hash_name: str) -> dict:
    """Return the LFS facts of a file; the hash is called sha256 in some replies and oid in others."""
    return {hash_name: file.sha256, "size": file.size, "pointerSize": len(lfs_pointer(file.sha256, file.size))}


@routes.on("GET", "/api/{type}s/{repo}/revision/{rev}")
def info_at(call: Call) -> dict:
    """Describe a repository at a revision."""
    return trim(call, describe(call, call.repo(), call.values["rev"], call.flag("blobs")), full=True)


@routes.on("GET", "/api/{type}s/{repo}/auth-check")
def auth_check(call: Call) -> dict:
    """Say whether the caller may read a repository, by answering at all."""
    call.repo()
    return {}


@routes.on("GET", "/api/{type}s/{repo}")
def info(call: Call) -> dict:
    """Describe a repository."""
    return trim(call, describe(call, call.repo(), blobs=call.flag("blobs")), full=True)
