"""What a Weights & Biases server knows of a project, and how it answers the client's GraphQL operations from that.

Every method whose name is in OPERATIONS takes the variables of one operation and returns its data. KeyError and
AssertionError mean that the client said something it should not have.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ENTITY = "lighthouse"
_LATER = "2026-01-01T00:00:00Z"


@dataclass
class Run:
    """A run as the server knows it. `rows` is its history, by line."""

    name: str
    project: str
    entity: str
    facts: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows in order, the client's own columns left out."""
        return [{k: v for k, v in row.items() if not k.startswith("_")} for _, row in sorted(self.rows.items())]


@dataclass
class Artifact:
    """A version of an artifact. `contents` is its manifest's entries by path, `files` what was uploaded."""

    id: str
    name: str
    type: str
    digest: str
    metadata: dict[str, Any]
    run: str | None
    number: int | None = None  # given when it is committed
    aliases: set[str] = field(default_factory=set)
    contents: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    state: str = "PENDING"

    @property
    def version(self) -> str:
        """What the client calls it: name:v0."""
        return f"{self.name}:v{self.number}"


class Project:
    """Runs, artifacts, and which artifact went into which run."""

    url: str

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.artifacts: list[Artifact] = []
        self.uses: list[tuple[str, str]] = []  # (run, version of the artifact that went into it)
        self.uploads: dict[str, Callable[[bytes], None]] = {}

    def run(self, job_type: str) -> Run:
        """The only run of that job type."""
        (run,) = (run for run in self.runs.values() if run.facts["jobType"] == job_type)
        return run

    def artifact(self, name: str) -> Artifact:
        """The only version of the artifact of that name."""
        (found,) = (artifact for artifact in self.artifacts if artifact.name == name)
        return found

    def _address(self, keep: Callable[[bytes], None]) -> str:
        token = str(len(self.uploads))
        self.uploads[token] = keep
        return f"{self.url}/upload/{token}"

    def _viewer(self, given: dict[str, Any]) -> dict[str, Any]:
        viewer = {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer}

    def _upsert_run(self, given: dict[str, Any]) -> dict[str, Any]:
        name, inserted = given["name"], given["name"] not in self.runs
        if inserted:
            self.runs[name] = Run(name, given["project"], given.get("entity") or ENTITY, {"jobType": None})
        run = self.runs[name]
        run.facts |= {key: value for key, value in given.items() if value is not None}
        if given.get("config"):
            run.config |= json.loads(given["config"])
        if given.get("summaryMetrics"):
            run.summary |= json.loads(given["summaryMetrics"])
        bucket = {
            "id": name, "name": name, "displayName": run.facts.get("displayName"), "description": None,
            "config": json.dumps(run.config), "sweepName": None, "historyLineCount": len(run.rows),
            "project": {"id": "p", "name": run.project, "entity": {"id": "e", "name": run.entity}},
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def _resume_status(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(given["name"])
        bucket = run and {
            "id": run.name, "name": run.name, "summaryMetrics": json.dumps(run.summary),
            "displayName": run.facts.get("displayName"), "logLineCount": 0, "historyLineCount": len(run.rows),
            "eventsLineCount": 0, "historyTail": json.dumps([json.dumps(row) for row in [*run.rows.values()][-1:]]),
            "eventsTail": "[]", "config": json.dumps(run.config), "tags": [], "notes": None,
            "wandbConfig": json.dumps({"t": 1}),
        }  # fmt: skip
        return {"model": {"id": "p", "name": given["project"], "entity": {"id": "e", "name": ENTITY}, "bucket": bucket}}

    def _run(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs[given["name"]]
        last = max((row["_step"] for row in run.rows.values()), default=-1)
        facts = {
            "id": run.name, "projectId": "1", "name": run.name, "displayName": None, "state": "finished", "tags": [],
            "config": json.dumps(run.config), "summaryMetrics": json.dumps(run.summary), "systemMetrics": "{}",
            "user": {"name": ENTITY, "username": ENTITY}, "historyLineCount": len(run.rows),
            "historyKeys": {"lastStep": last},
        }  # fmt: skip
        return {"project": {"run": facts}}

    def _create_run_files(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs[given["run"]]
        files = [
            {"name": name, "uploadUrl": self._address(lambda body, name=name: run.files.update({name: body}))}
            for name in given["files"]
        ]
        return {"createRunFiles": {"runID": run.name, "uploadHeaders": [], "files": files}}

    def _create_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        """A new version, or the last one when that has the same contents."""
        name = given["artifactCollectionName"]
        before = [artifact for artifact in self.artifacts if artifact.name == name]
        done = [artifact for artifact in before if artifact.state == "COMMITTED"]
        if done and done[-1].digest == given["digest"]:
            artifact = done[-1]
        else:
            artifact = Artifact(
                str(len(self.artifacts)), name, given["artifactTypeName"], given["digest"],
                json.loads(given.get("metadata") or "{}"), given.get("runName"),
            )  # fmt: skip
            self.artifacts.append(artifact)
        for alias in given["aliases"]:
            for other in before:
                other.aliases.discard(alias["alias"])
            artifact.aliases.add(alias["alias"])
        latest = {"id": done[-1].id} if done else None
        made = {"id": artifact.id, "state": artifact.state, "artifactSequence": {"id": name, "latestArtifact": latest}}
        return {"createArtifact": {"artifact": made}}

    def _create_manifest(self, given: dict[str, Any]) -> dict[str, Any]:
        artifact = self.artifacts[int(given["artifactID"])]

        def keep(body: bytes) -> None:
            assert _md5(body) in (given["digest"], ""), "the manifest is another one"
            artifact.contents = json.loads(body)["contents"]

        file = {"id": "f", "uploadUrl": self._address(keep), "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": f"m{artifact.id}", "file": file}}}

    def _create_artifact_files(self, given: dict[str, Any]) -> dict[str, Any]:
        edges = []
        for file in given["artifactFiles"]:
            artifact = self.artifacts[int(file["artifactID"])]

            def keep(body: bytes, file: dict[str, Any] = file, artifact: Artifact = artifact) -> None:
                assert _md5(body) == file["md5"], f"{file['name']} is another one"
                artifact.files[file["name"]] = body

            node = {"storagePath": file["name"], "uploadUrl": self._address(keep), "uploadHeaders": [],
                    "uploadMultipartUrls": None, "artifact": {"id": artifact.id}}  # fmt: skip
            edges.append({"node": node})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _commit_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        artifact = self.artifacts[int(given["artifactID"])]
        local = {path for path, entry in artifact.contents.items() if "ref" not in entry}
        assert artifact.contents and local == set(artifact.files), f"{artifact.version} is not complete"
        earlier = [other for other in self.artifacts if other.name == artifact.name and other.number is not None]
        artifact.state, artifact.number = "COMMITTED", len(earlier)
        return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}

    def _artifact_by_id(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"artifact": self._as_fragment(self.artifacts[int(given["id"])])}

    def _artifact_by_name(self, given: dict[str, Any]) -> dict[str, Any]:
        name, _, alias = given["name"].partition(":")
        found = [a for a in self.artifacts if a.name == name and (alias in a.aliases or alias == f"v{a.number}")]
        if not found or found[0].state != "COMMITTED":
            return {"project": {"artifactCollectionMembership": None}}
        fragment = self._as_fragment(found[0])
        return {"project": {"artifactCollectionMembership": {
            "__typename": "ArtifactCollectionMembership", "id": "1", "versionIndex": found[0].number,
            "createdAt": _LATER, "aliases": fragment["aliases"], "artifact": fragment,
            "artifactCollection": fragment["artifactSequence"],
        }}}  # fmt: skip

    def _artifact_type(self, given: dict[str, Any]) -> dict[str, Any]:
        types = [a.type for a in self.artifacts if a.name == given["name"].partition(":")[0]]
        return {"project": {"artifact": {"artifactType": {"name": types[0]}} if types else None}}

    def _use_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        artifact = self.artifacts[int(given["artifactID"])]
        assert artifact.state == "COMMITTED", "it is not there yet"
        edge = given["runName"], artifact.version
        if edge not in self.uses:  # the server keeps a set
            self.uses.append(edge)
        return {"useArtifact": {"artifact": {"id": artifact.id}}}

    def _as_fragment(self, artifact: Artifact) -> dict[str, Any]:
        project = {"id": "p", "internalId": "1", "name": "hub-publisher", "entity": {"name": ENTITY}}
        collection = {"__typename": "ArtifactSequence", "name": artifact.name, "project": project}
        aliases = [
            {"__typename": "ArtifactAlias", "id": alias, "alias": alias, "artifactCollection": collection}
            for alias in sorted(artifact.aliases)
        ]
        return {
            "__typename": "Artifact", "id": artifact.id, "artifactSequence": collection,
            "versionIndex": artifact.number, "artifactType": {"name": artifact.type}, "description": None,
            "metadata": json.dumps(artifact.metadata), "ttlDurationSeconds": -1, "ttlIsInherited": True, "tags": [],
            "historyStep": None, "state": artifact.state, "size": 0, "digest": artifact.digest, "commitHash": "",
            "fileCount": len(artifact.contents), "createdAt": _LATER, "updatedAt": None, "aliases": aliases,
        }  # fmt: skip


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


OPERATIONS: dict[str, Callable[[Project, dict[str, Any]], dict[str, Any]]] = {
    "Viewer": Project._viewer,
    "UpsertBucket": Project._upsert_run,
    "RunResumeStatus": Project._resume_status,
    "Run": Project._run,
    "RunHistoryKeys": Project._run,
    "CreateRunFiles": Project._create_run_files,
    "ServerFeaturesQuery": lambda server, given: {"serverInfo": {"features": []}},
    "OrganizationCoreWeaveOrganizationID": lambda server, given: {"entity": None},
    "ArtifactType": Project._artifact_type,
    "CreateArtifact": Project._create_artifact,
    "CreateArtifactManifest": Project._create_manifest,
    "CreateArtifactFiles": Project._create_artifact_files,
    "CommitArtifact": Project._commit_artifact,
    "ArtifactByID": Project._artifact_by_id,
    "ArtifactMembershipByName": Project._artifact_by_name,
    "UseArtifact": Project._use_artifact,
}
