"""The local Hub under load: unmodified clients push while others read, and every byte that is read is checked.

    python tests/benchmarks/bench_localhub.py --seconds 60 --pushing 8 --reading 32

Each pushing client overwrites the two files of a repository of its own, again and again, one over Xet or LFS and one as
a regular file. The reading ones download either file of any of them at main, over one connection each, and hold it
against the hash that the server named for it and against all that was ever pushed. With --large, what a file of so
many GiB costs the server in memory. Clients and server share one machine.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.utils import disable_progress_bars

from hub_publisher import localhub

SIZES = {"model.safetensors": 256 * 1024, "notes.txt": 4 * 1024}  # bytes of each file


class Load:
    """The clients of one run: what they pushed, how long each of their actions took, and what was wrong."""

    def __init__(self, hub: localhub.LocalHub, seconds: float) -> None:
        self.hub = hub
        self.ends = time.monotonic() + seconds
        self.pushed: set[str] = set()  # SHA-256 of everything that may come back
        self.repos: list[str] = []
        self.wrong: list[str] = []

    def push(self, number: int, once: bool = False) -> list[float]:
        """Push new contents again and again (or `once`); return the seconds of each push."""
        api, repo, seconds = HfApi(endpoint=self.hub.url, token=self.hub.token), f"bench/model-{number}", []
        api.create_repo(repo, exist_ok=True)
        while once or time.monotonic() < self.ends:
            files = {path: os.urandom(size // 2).hex().encode() for path, size in SIZES.items()}
            self.pushed |= {hashlib.sha256(data).hexdigest() for data in files.values()}
            adds = [CommitOperationAdd(path, data) for path, data in files.items()]
            begun = time.perf_counter()
            api.create_commit(repo, adds, commit_message="again")
            seconds.append(time.perf_counter() - begun)
            if once:
                self.repos.append(repo)
                break
        return seconds

    def read(self, number: int) -> list[float]:
        """Download and check again and again; return the seconds of each request."""
        rng, seconds = random.Random(number), []
        connection = http.client.HTTPConnection(urlsplit(self.hub.url).netloc, timeout=60)
        while time.monotonic() < self.ends:
            path = f"/{rng.choice(self.repos)}/resolve/main/{rng.choice(list(SIZES))}"
            begun = time.perf_counter()
            connection.request("GET", path)
            reply = connection.getresponse()
            data = reply.read()
            seconds.append(time.perf_counter() - begun)
            self.check(path, reply, data)
        connection.close()
        return seconds

    def check(self, path: str, reply: http.client.HTTPResponse, data: bytes) -> None:
        """Note what was wrong with a download, if anything."""
        sha256 = hashlib.sha256(data).hexdigest()
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        named = (reply.headers["ETag"] or "").strip('"')
        if reply.status != 200 or named not in (sha256, git) or sha256 not in self.pushed:
            self.wrong.append(f"{path}: {reply.status}, {len(data)} bytes")


def row(name: str, seconds: list[float], over: float) -> str:
    """One row of the table: how many, how many a second, and how long they took."""
    ranked = sorted(seconds)
    median, p99, longest = (1000 * ranked[min(int(len(ranked) * part), len(ranked) - 1)] for part in (0.5, 0.99, 1))
    counts = f"| {name:8} | {len(ranked):>7,} | {len(ranked) / over:>8.1f}"
    return f"{counts} | {median:>6.0f} | {p99:>6.0f} | {longest:>7.0f} |"


def under_load(hub: localhub.LocalHub, seconds: float, pushing: int, reading: int) -> None:
    """Let the clients loose on the server and print what came of it."""
    load = Load(hub, seconds)
    for number in range(pushing):
        load.push(number, once=True)
    load.ends = time.monotonic() + seconds
    with ThreadPoolExecutor(pushing + reading) as pool:
        pushes = [pool.submit(load.push, number) for number in range(pushing)]
        reads = [pool.submit(load.read, number) for number in range(reading)]
        times = [[value for done in futures for value in done.result()] for futures in (pushes, reads)]
    print("| requests |  number | a second | median | p99 ms | longest |")
    print("|:---------|--------:|---------:|-------:|-------:|--------:|")
    for name, values in zip(("push", "download"), times, strict=True):
        print(row(name, values, seconds))
    print(f"Wrong downloads: {len(load.wrong)} {load.wrong[:3]}")


def peak_of(hub: localhub.LocalHub, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that `work` took, and the most MiB of memory that the server held meanwhile."""
    server = psutil.Process(json.loads((hub.root / "server.json").read_text())["pid"])
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], server.memory_info().rss)

    watching, begun = threading.Thread(target=watch), time.perf_counter()
    watching.start()
    work()
    done.set()
    watching.join()
    return time.perf_counter() - begun, peak[0] / 2**20


def large_file(hub: localhub.LocalHub, folder: Path, gibibytes: float) -> None:
    """Push and download a file of so many GiB, and print what it cost the server in memory."""
    path = folder / "large.safetensors"
    with open(path, "wb") as file:
        for _ in range(int(gibibytes * 1024)):
            file.write(os.urandom(2**20))
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("bench/large")
    add = [CommitOperationAdd("large.safetensors", path)]
    print(f"Server before: {peak_of(hub, partial(time.sleep, 0.1))[1]:.0f} MiB")
    push = peak_of(hub, lambda: api.create_commit("bench/large", add, commit_message="large"))
    get = partial(hf_hub_download, "bench/large", "large.safetensors", endpoint=hub.url, cache_dir=folder / "cache")
    pull = peak_of(hub, get)
    for name, (seconds, peak) in (("pushed", push), ("downloaded", pull)):
        print(f"{gibibytes:g} GiB {name} in {seconds:.0f} s; peak of the server {peak:.0f} MiB")
    print(f"The same bytes came back: {sha256_of(Path(get())) == sha256_of(path)}")


def sha256_of(path: Path) -> str:
    """The file's SHA-256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Print the figures of both, on servers of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pushing", type=int, default=8)
    parser.add_argument("--reading", type=int, default=32)
    parser.add_argument("--large", type=float, default=0, help="GiB of one file to push and download")
    options = parser.parse_args()
    disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder, localhub.start(Path(folder) / "hub") as hub:
        if options.seconds:
            under_load(hub, options.seconds, options.pushing, options.reading)
        if options.large:
            large_file(hub, Path(folder), options.large)


if __name__ == "__main__":
    main()
