"""The pages a person sees: the list of models, a model's card, files, commits and pull requests, and their changes."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from hub_publisher.localhub import metadata
from hub_publisher.localhub.api_inference import why_not
from hub_publisher.localhub.api_pulls import find, merge_pull_request, pull_requests, try_merge
from hub_publisher.localhub.api_repos import KINDS, describe, find_repos
from hub_publisher.localhub.cards import Place, render
from hub_publisher.localhub.changes import changes
from hub_publisher.localhub.listing import listing
from hub_publisher.localhub.refusal import NO_REPO, Refusal, no_repo
from hub_publisher.localhub.store import AUTHOR
from hub_publisher.localhub.transfer import file_at, media_type
from hub_publisher.localhub.web import Call, Routes

routes = Routes()

_PACKAGE = Path(__file__).parent.parent
TEMPLATES = next(folder for folder in (_PACKAGE / "templates", _PACKAGE.parent / "templates") if folder.is_dir())
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Cache-Control": "no-cache"}
AVATAR = "figures/avatar.png"  # the thumbnail is a wide picture where there is one for social media
SAMPLING = {"temperature": "1", "top_p": "1", "max_new_tokens": "100"}  # what holds where a repository says nothing
LOGIN_SECONDS = 365 * 24 * 3600


def _date(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return f"{moment.day} {moment:%B %Y}"


def _time(text: str) -> str:
    return f"{_date(text)}, {datetime.fromisoformat(text):%H:%M} UTC"


def _hue(name: str) -> int:
    return sum(name.encode()) % 8


_pages = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_pages.filters |= {"date": _date, "time": _time, "hue": _hue, "quote": lambda text: quote(text, "")}


def page(name: str, values: dict, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a template as a page."""
    text = _pages.get_template(f"hub_{name}.html.jinja").render(values)
    return HTMLResponse(text, status, HEADERS | (headers or {}))


def show_refusal(request: Request, refusal: Refusal) -> Response:
    """Return a refusal: as a page to a browser that opens a page, as JSON to a program."""
    path = request.url.path
    if "text/html" in request.headers.get("accept", "") and not path.startswith(("/api/", "/_")):
        if refusal.headers.get("X-Error-Code") == NO_REPO:
            refusal = no_repo()  # a browser has no token to be asked for
        values = {"status_code": refusal.status, "message": refusal.message}
        return page("refusal", values, refusal.status, refusal.headers)
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


def text_of(value: object) -> str:
    """Return a metadata value as one line, empty for what is no text or number."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def place_of(info: dict, kind: str, revision: str = "main") -> Place:
    """Return where a repository's card stands."""
    return Place(KINDS[kind], info["id"], revision, frozenset(file["rfilename"] for file in info["siblings"]))


def avatar(card: dict, place: Place) -> str:
    """Return the address of the repository's avatar or else of its card's thumbnail; empty when it has neither."""
    path = AVATAR if AVATAR in place.paths else place.path_of(text_of(card.get("thumbnail")))
    return place.url(path) if path else ""


def chips(info: dict) -> list[tuple[str, str]]:
    """Return (label, value) of the metadata that a page shows as chips."""
    card = info["cardData"]
    found = [("Task", text_of(info.get("pipeline_tag"))), ("Library", text_of(card.get("library_name")))]
    for label, key in (("License", "license"), ("Language", "language"), ("Base model", "base_model")):
        found += [(label, text_of(value)) for value in metadata.listed(card.get(key))]
    shown = {value for _, value in found}
    found += [("Tag", tag) for tag in map(text_of, metadata.listed(card.get("tags"))) if tag not in shown]
    return [(label, value) for label, value in found if value]


def mappings(value: object) -> list[dict]:
    """Return the mappings in a metadata value, a list or not."""
    return [item for item in metadata.listed(value) if isinstance(item, dict)]


def examples(card: dict) -> list[tuple[str, str, str]]:
    """Return (title, prompt, continuation) of the card's widget examples; the continuation may be empty."""
    found = []
    for item in mappings(card.get("widget")):
        if isinstance(item.get("text"), str):
            text = "".join(text_of(output.get("text")) for output in mappings(item.get("output")))
            glue = "" if not text or text[0].isspace() else " "
            found.append((text_of(item.get("example_title")), item["text"], glue + text))
    return found


def results(card: dict) -> list[tuple[str, str, str]]:
    """Return (metric, value, data set) of the card's model-index."""
    found = []
    for result in (result for model in mappings(card.get("model-index")) for result in mappings(model.get("results"))):
        name = "".join(text_of(data.get("name")) for data in mappings(result.get("dataset")))
        for metric in mappings(result.get("metrics")):
            value = metric.get("value")
            shown = f"{value:.4g}" if isinstance(value, float) else text_of(value)
            found.append((text_of(metric.get("name")) or text_of(metric.get("type")), shown, name))
    return found


@routes.on("GET", "/_static/{file}")
def static(call: Call) -> Response:
    """Return the stylesheet, the icon or the widget's program."""
    if call.values["file"] not in ("hub.css", "hub.svg", "hub.js"):
        raise Refusal(404, "Not found")
    return FileResponse(TEMPLATES / call.values["file"], headers={"Cache-Control": "no-cache"})


@routes.on("GET", "/login")
def login(call: Call) -> Response:
    """Remember the token in this browser, so that its pages show private models too; then show the list."""
    if not call.hub.access.role_for(call.query("token")):
        raise Refusal(401, "That is not this Hub's token")
    response = RedirectResponse("/", 303)
    cookie = {"max_age": LOGIN_SECONDS, "httponly": True, "samesite": "strict"}
    response.set_cookie(call.hub.access.cookie, call.query("token"), **cookie)  # type: ignore[arg-type]
    return response


@routes.on("GET", "/")
@routes.on("GET", "/{author}")
def index(call: Call) -> Response:
    """List the models, newest first: all, or those of one namespace, with `?q=` in the name, with the chip `?tag=`."""
    author, query, tag = call.values.get("author", ""), call.query("q")[:200], call.query("tag")[:200]
    found = find_repos(call, "model", author, query)
    shown = [(info, avatar(info["cardData"], place_of(info, "model")), chips(info)) for info in found]
    if author and not shown and not query:
        raise Refusal(404, f"There is no model of {author} here")
    tagged = [row for row in shown if not tag or tag in (value for _, value in row[2])]
    return page("list", {"models": tagged, "author": author, "query": query, "tag": tag})


def model_page(call: Call, tab: str, revision: str = "main", **more: object) -> Response:
    """Return a model's page with one of its tabs open: card, tree, blob, commits, commit, pulls or pull."""
    repo = call.repo()
    info = describe(call, repo, revision)
    files = call.store.files(info["sha"])
    card, body = metadata.card_of(files, call.store.blobs)
    place = place_of(info, repo.type, revision)
    prompt = next((text for _, text, _ in examples(card)), "My dream is")
    values = {
        "info": info, "files": list(files.values()), "chips": chips(info), "avatar": avatar(card, place),
        "prompt": prompt, "prompt_literal": json.dumps(prompt, ensure_ascii=False),
        "reason": why_not(info, files, call.store.blobs),
        "sampling": SAMPLING | metadata.json_of(files, "generation_config.json", call.store.blobs),
        "commits": call.store.history(info["sha"]), "examples": examples(card), "results": results(card),
        "card": render(body if tab == "card" else "", place), "base_url": call.base_url,
        "path": f"{KINDS[repo.type]}{repo.name}", "kind": repo.type, "tab": tab, "revision": revision, "place": place,
        "num_open": sum(pull.merged is None for pull in pull_requests(call.store, repo)), "author": AUTHOR,
        "branches": [name.removeprefix("refs/heads/") for name in call.store.refs(repo, "refs/heads/")],
    }  # fmt: skip
    return page("model", values | more)


@routes.on("GET", "/{kind}{repo}/{tab}/{rev}")
def tab_page(call: Call) -> Response:
    """Show a revision's files, or its history."""
    return model_page(call, call.values["tab"], call.values["rev"])


@routes.on("GET", "/{kind}{repo}/blob/{rev}/{path}")
def blob_page(call: Call) -> Response:
    """Show a file: its text in numbered lines, its picture, or how large it is."""
    file, _ = file_at(call)
    is_image = media_type(file.path).startswith("image/")
    text = None if is_image else listing(file, call.store.blobs)
    return model_page(call, "blob", call.values["rev"], file=file, text=text, is_image=is_image)


@routes.on("GET", "/{kind}{repo}/commit/{rev}")
def commit_page(call: Call) -> Response:
    """Show what a commit changed."""
    store = call.store
    commit = store.history(store.resolve(call.repo(), call.values["rev"]))[0]
    new, old = store.files(commit.oid), store.files(commit.parent) if commit.parent else {}
    return model_page(call, "commit", commit.oid, commit=commit, changed=list(changes(old, new, store.blobs)))


@routes.on("GET", "/{kind}{repo}")
def card_page(call: Call) -> Response:
    """Show a model's card."""
    return model_page(call, "card")


@routes.on("GET", "/{kind}{repo}/discussions")  # after the above: a repository may be called discussions
def pulls_page(call: Call) -> Response:
    """List a repository's pull requests, newest first."""
    return model_page(call, "pulls", pulls=pull_requests(call.store, call.repo()))


@routes.on("GET", "/{kind}{repo}/discussions/{num}")
def pull_page(call: Call) -> Response:
    """Show a pull request: what merging it would change, or what it changed."""
    store, repo = call.store, call.repo()
    found = find(call, repo)
    target, merged, conflicts = try_merge(store, repo, found)
    if found.merged or conflicts:  # as its author made it, from where it left its target
        target, merged = found.base, store.files(store.resolve(repo, f"refs/pr/{found.num}"))
    changed = list(changes(store.files(target), merged, store.blobs))
    may_merge = call.hub.access.page_role(call.request) == "write"
    return model_page(call, "pull", pull=found, changed=changed, conflicts=conflicts, may_merge=may_merge)


@routes.on("POST", "/{kind}{repo}/discussions/{num}/merge", limit=2**10, is_open=True)
def merge_page(call: Call) -> Response:
    """Merge a pull request from its page, and show that page again; Refusal as the API's merging does."""
    role = call.hub.access.form_role(call.request, call.role)
    repo = call.repo()
    merge_pull_request(replace(call, role=role))
    return RedirectResponse(f"/{KINDS[repo.type]}{repo.name}/discussions/{call.values['num']}", 303)
