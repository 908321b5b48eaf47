"""A process that knows nothing of this one: how a model's first reader runs Python.

Its environment holds PATH, HOME, how many threads may compute (OMP_NUM_THREADS) and what it is given, its cache is
empty, its folder is its own and goes away, and it ends with its publisher.
"""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hub_publisher.system import lifeline
from hub_publisher.system.hardware import THREADS

SCRATCH = ".reader-"
TIMEOUT_SECONDS = 900
_KEPT = ("PATH", "HOME", "SYSTEMROOT", THREADS)
# Loading bars are no complaints; everything else on stderr is.
_PROGRESS = re.compile(r"[^\r\n]*(?:\d+%\|[^\r\n]*\||\d+(?:\.\d+)?(?:it|s|B|kB|MB)/(?:s|it)\])[^\r\n]*")
_LIFELINE = f"{inspect.getsource(lifeline)}\nend_with_parent()\n"  # as source: the package may not be importable there


class ProcessError(Exception):
    """How such a process ended, in words that end a sentence, with what it wrote."""


class Said(NamedTuple):
    """What such a process said."""

    answer: Any  # the last line of its output, which is JSON
    complaints: str  # what it wrote on stderr besides loading bars, without empty lines
    seconds: float


def run_python(
    script: str,
    argument: str,
    folder: Path,
    environment: Mapping[str, str],
    prepare: Callable[[Path], None] = lambda scratch: None,
) -> Said:
    """Run `script` with `argument` as sys.argv[1], in a scratch folder under `folder` that `prepare` may fill.

    `environment` is added to the bare one. Raises ProcessError when it fails or takes longer than TIMEOUT_SECONDS.
    """
    bare = {name: os.environ[name] for name in _KEPT if name in os.environ}
    for left in folder.glob(f"{SCRATCH}*"):  # by a run that was killed here
        shutil.rmtree(left, ignore_errors=True)
    reading, writing = os.pipe()
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch:
            prepare(Path(scratch))
            child = subprocess.run(
                [sys.executable, "-c", _LIFELINE + script, argument],
                stdin=reading, capture_output=True, encoding="utf-8", errors="replace", check=False,
                env={**bare, **environment, "HF_HOME": str(Path(scratch) / ".cache")}, cwd=scratch,
                timeout=TIMEOUT_SECONDS,
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"timed out after {error.timeout:.0f} s.") from error
    finally:
        os.close(reading)
        os.close(writing)
    if child.returncode:
        raise ProcessError(f"failed:\n{child.stderr[-2000:].strip()}")
    complaints = "\n".join(line for line in _PROGRESS.sub("", child.stderr).split("\n") if line.strip())
    return Said(json.loads(child.stdout.splitlines()[-1]), complaints, time.monotonic() - started)
