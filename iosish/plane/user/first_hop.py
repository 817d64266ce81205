"""What the first link on the way to an address carries (rtnetlink(7), netdevice(7)).

Not the path MTU that the kernel has heard of: that takes the word of anybody who quotes our addresses.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys

_RTM_GETROUTE = 26
_NLM_F_REQUEST = 1
_RTA_DST, _RTA_OIF = 1, 4
_SIOCGIFMTU = 0x8921
_NLMSG = struct.Struct("=IHHII")
_RTMSG = struct.Struct("=8BI")
_RTA = struct.Struct("=HH")
_ANSWER_BYTES = 4096


def mtu(destination: bytes) -> int:
    """The MTU of the device that packets to `destination` (four octets) leave by. Raises OSError."""
    name = socket.if_indextoname(_device(destination))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFMTU, struct.pack("16si20x", name.encode(), 0))
    return int(struct.unpack_from("16si", answer)[1])


def _device(destination: bytes) -> int:
    body = _RTMSG.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + _RTA.pack(8, _RTA_DST) + destination
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(_NLMSG.pack(_NLMSG.size + len(body), _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0) + body)
        answer = netlink.recv(_ANSWER_BYTES)  # the kernel has made it already
    at = _NLMSG.size + _RTMSG.size
    while at + _RTA.size <= len(answer):
        length, kind = _RTA.unpack_from(answer, at)
        if kind == _RTA_OIF and length >= 8:
            return int.from_bytes(answer[at + 4 : at + 8], sys.byteorder)
        if length < _RTA.size:
            break
        at += (length + 3) & ~3
    raise OSError("no route")
