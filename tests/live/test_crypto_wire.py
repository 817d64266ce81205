"""ESP of live routers, read by Wireshark without a key: esp-null shows that what a kernel sent inside arrives whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.lab.laboratory import IOSISH
from tests.live.crypto import PROTECTED, SECONDS, expect_encrypted_cloud
from tests.live.lab import HUB, Lab, until

pytestmark = pytest.mark.live

#: Everything by ESP with no cipher; nobody but the routers could say whether its ICV is right.
TSHARK = (
    *("tshark", "-n", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"),
    *("-o", "esp.enable_encryption_decode:TRUE"),
    *("-o", 'uat:esp_sa:"IPv4","*","*","*","NULL","","HMAC-SHA-1-96 [RFC2404]",""'),
)
FIELDS = ("frame.protocols", "ip.checksum.status", "icmp.checksum.status", "tcp.checksum.status", "udp.checksum.status")
GOOD, UNKNOWN = "1", "2"  # Wireshark's checksum status
PORT = 7007
SERVER = f"""
import socket
with socket.create_server(("0.0.0.0", {PORT})) as server, server.accept()[0] as connection:
    while data := connection.recv(65536):
        connection.sendall(data)
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as connection:
    data = bytes(range(256)) * 200
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    back = b"".join(iter(lambda: connection.recv(65536), b""))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    for size in (0, 1, 1000, 1400, 5000):
        one.sendto(bytes(size), (sys.argv[1], 7))
print(back == data)
"""


@contextmanager
def serving(lab: Lab, router: str) -> Iterator[None]:
    command = [*IOSISH, "lab", "exec", router, "--name", lab.name, "--", sys.executable, "-c", SERVER]
    with subprocess.Popen(command, env=lab.environment, stdin=subprocess.DEVNULL) as process:
        try:
            listening = f":{PORT} "
            until(lambda: listening in lab.inside(router, "ss", "-tln").stdout, "the server listens")
            yield
        finally:
            process.terminate()


def rows(file: Path) -> list[list[str]]:
    wanted = [word for field in FIELDS for word in ("-e", field)]
    command = [*TSHARK, "-r", str(file), "-Y", "esp", "-T", "fields", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_wireshark_finds_what_a_kernel_sent_and_every_checksum_right(crypto_lab: Lab) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: apt-get install tshark")
    for router in PROTECTED:
        crypto_lab.configure(router, "crypto ipsec transform-set MyTransformSet esp-null esp-sha-hmac\n mode transport")
    for router in PROTECTED:
        crypto_lab.console(router, "clear crypto session")
    expect_encrypted_cloud(crypto_lab)
    with ExitStack() as stack:
        wire = stack.enter_context(crypto_lab.capture("R5", "Fa0/1"))
        stack.enter_context(serving(crypto_lab, "R4"))
        assert "(3/3)" in crypto_lab.console("R2", f"ping {HUB} size 1500 repeat 3")
        done = crypto_lab.inside("R2", sys.executable, "-c", CLIENT, "192.168.0.4", str(PORT))
        assert done.stdout == "True\n", done.stderr
        kinds = {"eth:ethertype:ip:esp:gre:ip:icmp:data", "eth:ethertype:ip:esp:gre:ip:tcp:data"}
        until(lambda: {row[0] for row in rows(wire.path)} >= kinds, f"{kinds} were seen", SECONDS)
    seen = rows(wire.path)
    assert any(":udp" in row[0] for row in seen)
    for protocols, *sums in seen:
        assert ":gre" in protocols, protocols
        found = set(",".join(filter(None, sums)).split(","))
        # Of a fragment, and of what an ICMP error quotes, nobody can say.
        assert found == {GOOD} or (found == {GOOD, UNKNOWN} and ":tcp" not in protocols), (protocols, sums)
