"""A strongSwan at the far end: charon in a network namespace, told what to do by swanctl."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

from tests.lab.laboratory import CEILING_S, ENDS_WITH_US
from tests.live.lab import until
from tests.user_plane.node import Namespace

CHARON = "/usr/lib/ipsec/charon"
MISSING = next((program for program in (CHARON, "swanctl") if shutil.which(program) is None), None)

#: gcrypt is for the old algorithms, openssl for elliptic curves and GCM.
PLUGINS = "random nonce aes sha1 sha2 md5 hmac kdf gmp gcrypt openssl kernel-netlink socket-default vici"


class StrongSwan:
    """One charon. `log` is what it says of IKE; it is gone at the end of the context."""

    def __init__(self, space: Namespace, folder: Path, retransmissions: int = 3) -> None:
        """`retransmissions` of a request, the first of them after 0.5 s, each then 1.5 times as long after the last."""
        self.space = space
        self._folder = folder
        self._vici = folder / "vici"
        self._log = folder / "log"
        self._environment = {**os.environ, "STRONGSWAN_CONF": str(folder / "strongswan.conf")}
        folder.mkdir()
        self._log.touch()
        (folder / "strongswan.conf").write_text(
            f"""charon {{
  load = {PLUGINS}
  install_routes = no
  retransmit_timeout = 0.5
  retransmit_base = 1.5
  retransmit_tries = {retransmissions}
  filelog {{ f {{ path = {self._log}
      flush_line = yes
      default = 1 }} }}
  plugins {{ vici {{ socket = unix://{self._vici} }} }}
}}
swanctl {{ load = random sha1 }}
"""
        )

    def __enter__(self) -> StrongSwan:
        # Its pid file lies in /run, which the namespaces of other tests share.
        started = f"mount -t tmpfs tmpfs /run && exec {CHARON}"
        self._process = subprocess.Popen(
            [*ENDS_WITH_US, "ip", "netns", "exec", self.space.name, "sh", "-c", started],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        until(self._vici.exists, "charon runs", CEILING_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(CEILING_S)
        finally:
            self._process.kill()
            self._process.wait()

    def load(self, ours: str, peer: str, *, ike: str, esp: str = "aes128-sha1", secret: str, dpd_s: int = 0) -> None:
        """Replace what it knows: one connection `peer` with one child `gre`, host to host in transport mode."""
        path = self._folder / "swanctl.conf"
        path.write_text(
            f"""connections {{ peer {{
  version = 1
  local_addrs = {ours}
  remote_addrs = {peer}
  proposals = {ike}
  dpd_delay = {dpd_s}s
  local {{ auth = psk }}
  remote {{ auth = psk }}
  children {{ gre {{
    mode = transport
    local_ts = dynamic[gre]
    remote_ts = dynamic[gre]
    esp_proposals = {esp} }} }} }} }}
secrets {{ ike-all {{ secret = "{secret}" }} }}
"""
        )
        done = self.swanctl("--load-all", "--clear", "--file", str(path))
        assert done.returncode == 0, done.stdout + done.stderr

    def swanctl(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["swanctl", command, "--uri", f"unix://{self._vici}", *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=60,
        )

    def initiate(self, timeout_s: int = 10) -> bool:
        """Ask it for the child. True when the SA is in its kernel."""
        return self.swanctl("--initiate", "--child", "gre", "--timeout", str(timeout_s)).returncode == 0

    def sas(self) -> str:
        """What it lists of its security associations."""
        return self.swanctl("--list-sas").stdout

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, *texts: str) -> None:
        """Wait until its log has all of these."""
        self._has(texts, lambda text: text in self.log)

    def hears(self, *messages: str) -> None:
        """Wait until it has received messages of these payloads, as it writes them: `[ HASH D ]`."""
        self._has(messages, lambda text: any("] parsed " in line and text in line for line in self.log.splitlines()))

    def _has(self, texts: tuple[str, ...], found: Callable[[str], bool]) -> None:
        for text in texts:
            try:
                until(partial(found, text), f"in charon's log: {text}", CEILING_S)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.log}") from None
