"""iosish at the near end: `iosish run` in a network namespace, asked through its console."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from tests.lab.laboratory import CEILING_S, ENDS_WITH_US, IOSISH, Laboratory
from tests.live.lab import until
from tests.user_plane.node import Namespace


class Router(Laboratory):
    """One router on the device eth0 of a namespace, as FastEthernet0/0, for the length of the context."""

    def __init__(self, space: Namespace, folder: Path, configuration: str) -> None:
        super().__init__()
        self.space = space
        self.log_path = folder / "router.log"
        config = folder / "router.cfg"
        config.write_text(f"hostname Near\n{configuration}end\n")
        self._arguments = ["run", str(config), "--netns", space.name, "--interface", "FastEthernet0/0=eth0"]
        self._socket = self.state / "run" / "run-Near" / "Near.sock"

    def __enter__(self) -> Router:
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            with self.log_path.open("w") as log:
                self._process = subprocess.Popen(
                    [*ENDS_WITH_US, *IOSISH, *self._arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self.environment,
                )
            failed.callback(self.stop)
            until(self._answers, "the router answers", CEILING_S)
            failed.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self.close()
        assert self.remains() == []

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log
        return bool(self.look("show clock"))

    def stop(self) -> None:
        """End it, as a service is ended."""
        self._process.terminate()
        try:
            self._process.wait(CEILING_S)
        finally:
            self._process.kill()
            self._process.wait()

    def look(self, *commands: str) -> str:
        """What its console prints. Empty while the router is not there."""
        answer = b""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CEILING_S)
            connection.connect(str(self._socket))
            text = "".join(f"{line}\n" for line in commands)
            connection.sendall(f'{{"kind": "command"}}\n{text}'.encode())
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                answer += data
        return answer.partition(b"\0")[0].decode()

    def shows(self, command: str, *texts: str, without: str | None = None) -> None:
        """Wait until a command's screen has all of these, and not that."""

        def there() -> bool:
            screen = self.look(command)
            return all(text in screen for text in texts) and (without is None or without not in screen)

        try:
            until(there, f"{command!r} shows {texts}", CEILING_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; it showed:\n{self.look(command)}\n{self.log}") from None

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def says(self, *texts: str) -> None:
        """Wait until its log has all of these."""
        for text in texts:
            try:
                until(lambda text=text: text in self.log, f"in the router's log: {text}", CEILING_S)  # type: ignore[misc]
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.log}") from None
