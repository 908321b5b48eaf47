"""A command at a real terminal, with somebody who reads and types."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Terminal:
    """What a command says on its terminal; `stdout` goes to a pipe, as with `command | less`."""

    def __init__(self, child: "subprocess.Popen[str]", keyboard: int) -> None:
        self.child, self.keyboard, self.screen = child, keyboard, ""

    def until(self, text: str) -> str:
        """Everything on the screen, once `text` is."""
        while text not in self.screen:
            self.screen += self._more()
        return self.screen

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self.keyboard, text.encode())

    def ended(self) -> tuple[int, str]:
        """The exit code and what it wrote to standard output."""
        try:
            while more := self._more():
                self.screen += more
        except (OSError, AssertionError):  # the last process let go of the terminal
            pass
        assert self.child.stdout
        return self.child.wait(60), self.child.stdout.read()

    def _more(self) -> str:
        read = os.read(self.keyboard, 65536).decode(errors="replace").replace("\r\n", "\n")
        assert read, self.screen
        return read


@contextmanager
def at_a_terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    """Run hub-publisher with stdin and stderr on a terminal of its own."""
    keyboard, screen = pty.openpty()
    command = [sys.executable, "-m", "hub_publisher", *arguments]
    child = subprocess.Popen(
        command, stdin=screen, stderr=screen, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    os.close(screen)
    with child:
        try:
            yield Terminal(child, keyboard)
        finally:
            child.kill()
            os.close(keyboard)
