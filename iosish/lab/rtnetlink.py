"""The few rtnetlink requests that cables need, many in one write: veth pairs, bridges, up, down, gone.

Layouts: rtnetlink(7), linux/if_link.h, linux/veth.h. A library would do; a lab starts faster without one.
"""

from __future__ import annotations

import os
import socket
import struct

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE, NLM_F_DUMP = 1, 4, 0x200, 0x400, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_BR_FORWARD_DELAY, IFLA_BR_STP_STATE, IFLA_BR_MCAST_SNOOPING = 1, 5, 23
VETH_INFO_PEER = 1
IFF_UP = 1
RECEIVE = 65536
#: Requests in one write: their answers must fit the socket's receive buffer.
BATCH = 64


def _attribute(kind: int, value: bytes) -> bytes:
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + b"\0" * (-size % 4)


def _name(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _link(flags: int = 0, change: int = 0, index: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


def _named(name: str, flags: int = 0, change: int = 0) -> bytes:
    return _link(flags, change) + _name(IFLA_IFNAME, name)


#: A request: message type, flags, body.
Request = tuple[int, int, bytes]


def add_bridge(name: str) -> Request:
    """A bridge that is up and only passes frames on: no spanning tree, no snooping on multicast."""
    data = _number(IFLA_BR_FORWARD_DELAY, 0) + _number(IFLA_BR_STP_STATE, 0) + _attribute(IFLA_BR_MCAST_SNOOPING, b"\0")
    info = _name(IFLA_INFO_KIND, "bridge") + _attribute(IFLA_INFO_DATA, data)
    return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, _named(name, IFF_UP, IFF_UP) + _attribute(IFLA_LINKINFO, info)


def add_veth(name: str, mtu: int, peer: str, peer_namespace: int, peer_mac: bytes) -> Request:
    """A pair: `name` here, `peer` in the namespace of that descriptor. Both are down."""
    there = _named(peer) + _attribute(IFLA_ADDRESS, peer_mac) + _number(IFLA_NET_NS_FD, peer_namespace)
    info = _name(IFLA_INFO_KIND, "veth") + _attribute(IFLA_INFO_DATA, _attribute(VETH_INFO_PEER, there))
    body = _named(name) + _number(IFLA_MTU, mtu) + _attribute(IFLA_LINKINFO, info)
    return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body


def set_up(name: str, up: bool) -> Request:
    return RTM_NEWLINK, 0, _named(name, IFF_UP if up else 0, IFF_UP)


def set_master(name: str, bridge_index: int) -> Request:
    """Put a device into a bridge; 0 takes it out."""
    return RTM_NEWLINK, 0, _named(name) + _number(IFLA_MASTER, bridge_index)


def delete(name: str) -> Request:
    return RTM_DELLINK, 0, _named(name)


class Netlink:
    """A socket in the network namespace in which it was made; it stays there."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def request(self, requests: list[Request]) -> list[OSError | None]:
        """Send them in order; gives for each None or the kernel's refusal. Raises OSError when netlink itself fails."""
        answers: list[OSError | None] = []
        for start in range(0, len(requests), BATCH):
            answers += self._batch(requests[start : start + BATCH])
        return answers

    def demand(self, requests: list[Request]) -> None:
        """Like `request`, but raises the first refusal."""
        for answer in self.request(requests):
            if answer is not None:
                raise answer

    def _batch(self, requests: list[Request]) -> list[OSError | None]:
        first = self._sequence + 1
        out = b""
        for kind, flags, body in requests:
            self._sequence += 1
            flags |= NLM_F_REQUEST | NLM_F_ACK
            out += struct.pack("=IHHII", 16 + len(body), kind, flags, self._sequence, 0) + body
        self._socket.send(out)
        answers: dict[int, OSError | None] = {}
        while len(answers) < len(requests):
            for kind, sequence, body in self._messages():
                if kind == NLMSG_ERROR and sequence >= first:
                    number = -struct.unpack_from("=i", body)[0]
                    answers[sequence] = OSError(number, os.strerror(number)) if number else None
        return [answers[first + position] for position in range(len(requests))]

    def links(self) -> dict[str, int]:
        """All devices: name -> index."""
        self._sequence += 1
        body = _link()
        flags = NLM_F_REQUEST | NLM_F_DUMP
        self._socket.send(struct.pack("=IHHII", 16 + len(body), RTM_GETLINK, flags, self._sequence, 0) + body)
        found: dict[str, int] = {}
        while True:
            for kind, sequence, body in self._messages():
                if sequence != self._sequence:
                    continue
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return found
                index = struct.unpack_from("=i", body, 4)[0]
                name = _find(body[16:], IFLA_IFNAME)
                found[name.rstrip(b"\0").decode(errors="replace")] = index

    def _messages(self) -> list[tuple[int, int, bytes]]:
        data = self._socket.recv(RECEIVE)
        found = []
        while len(data) >= 16:
            size, kind, _, sequence, _ = struct.unpack_from("=IHHII", data)
            if size < 16:
                break
            found.append((kind, sequence, data[16:size]))
            data = data[(size + 3) & ~3 :]
        return found


def _find(attributes: bytes, wanted: int) -> bytes:
    while len(attributes) >= 4:
        size, kind = struct.unpack_from("=HH", attributes)
        if kind == wanted:
            return attributes[4:size]
        if size < 4:
            break
        attributes = attributes[(size + 3) & ~3 :]
    return b""
