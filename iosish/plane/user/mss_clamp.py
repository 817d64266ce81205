"""`ip tcp adjust-mss` on devices whose packets the kernel forwards: one nftables table of ours, over netlink.

In the words of `nft list table ip iosish`, for each device, both ways:

    chain forward {
        type filter hook forward priority mangle; policy accept;
        iifname "eth0" tcp flags syn tcp option maxseg size set 1200
        oifname "eth0" tcp flags syn tcp option maxseg size set 1200
    }

The kernel never raises an MSS by this, nor adds one that is not there (nft_exthdr_tcp_set_eval in
net/netfilter/nft_exthdr.c), and corrects the checksum: what IOS does. Only transit packets are touched, as in IOS.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NLMSG_MIN_TYPE
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
    NFPROTO_IPV4,
    NFT_MSG_DELTABLE,
    NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWRULE,
    NFT_MSG_NEWTABLE,
    Cmp,
    Meta,
    Regs,
    nft_chain_msg,
    nft_rule_msg,
    nft_table_msg,
)

TABLE = "iosish"
_CHAIN = "forward"
ANSWER_WITHIN_S = 1.0
_ANSWER_BYTES = 8192
_EVENT_BYTES = 1 << 16
#: Messages taken before others have their turn.
_BURST = 64

# linux/netfilter/nfnetlink.h
_BATCH_BEGIN, _BATCH_END = NLMSG_MIN_TYPE, NLMSG_MIN_TYPE + 1
_NFTABLES_GROUP = 7
_NFGENMSG_BYTES = 4
_NEWGEN = NFNL_SUBSYS_NFTABLES << 8 | 15  # NFT_MSG_NEWGEN
# struct nlmsghdr, nlattr (linux/netlink.h)
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
# linux/netfilter.h, linux/netfilter_ipv4.h
_HOOK_FORWARD, _PRIORITY_MANGLE = 2, -150
# linux/netfilter/nf_tables.h: enum nft_payload_bases, enum nft_exthdr_op
_TRANSPORT_HEADER = 2
_TCP_OPTION = 1
# RFC 9293: flags in octet 13 of the header; option kind 2, its value in octets 2 and 3
_FLAGS_AT, _SYN = 13, b"\x02"
_MSS_KIND, _MSS_AT, _MSS_BYTES = 2, 2, 2
_DEVICE_NAME_BYTES = 16

_Attributes = list[tuple[str, Any]]


class MssClamp:
    """What is clamped in this network namespace. `touched` is called when somebody else changed our table."""

    def __init__(self, touched: Callable[[], None]) -> None:
        self._touched = touched
        self._loop = asyncio.get_running_loop()
        self._there: Mapping[str, int] | None = None  # a run that was killed may have left something
        self._own = 0  # the netlink port that our last change came from
        self._listener: socket.socket | None = None
        self.drifted = False

    def apply(self, clamps: Mapping[str, int]) -> dict[str, str]:
        """Clamp so from now on: the highest MSS by device. Gives the devices where that failed, with the reason."""
        if clamps != self._there or self.drifted:
            try:
                if clamps:
                    self._listen()
                self._own = replace(clamps)
            except OSError as error:
                return dict.fromkeys(clamps, f"cannot adjust the TCP MSS: {error.strerror or error}")
            self._there = dict(clamps)
            self.drifted = False
        return {}

    def close(self) -> None:
        """Look no more; what is clamped stays so."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _listen(self) -> None:
        if self._listener is None:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._listener = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
            self._listener.bind((0, 1 << (_NFTABLES_GROUP - 1)))
            self._loop.add_reader(self._listener, self._heard)

    def _heard(self) -> None:
        for _ in range(_BURST):
            if self._listener is None:
                return
            try:
                data = self._listener.recv(_EVENT_BYTES)
            except BlockingIOError:
                return
            except OSError:  # some were lost
                data = b""
            if self._there and not self.drifted and (not data or _foreign(data, self._own)):
                self.drifted = True
                self._touched()


def _foreign(data: bytes, own: int) -> bool:
    """Whether one of these messages is of somebody else's change of our table (linux/netfilter/nf_tables.h)."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, sender = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            break
        # In each message about a table, or about something in one, the first attribute is its name.
        start = at + _HEADER.size + _NFGENMSG_BYTES + _ATTRIBUTE.size
        name = data[start : at + length].split(b"\0", 1)[0]
        if sender != own and kind != _NEWGEN and name == TABLE.encode():
            return True
        at += (length + 3) & ~3
    return False


def replace(clamps: Mapping[str, int]) -> int:
    """Put our table in the place of what this or an earlier run left; without anything to clamp there is none.

    All or nothing. Gives the netlink port that it came from. Raises OSError: what was before stays.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as netlink:
        netlink.settimeout(ANSWER_WITHIN_S)
        netlink.bind((0, 0))
        own = int(netlink.getsockname()[0])
        netlink.send(batch(clamps))
        # A batch is one change, worked off while it is sent. What comes first is its first error, or, as only its
        # last message asks for one, the acknowledgement. A kernel without nf_tables answers to the opening message.
        answer = netlink.recv(_ANSWER_BYTES)
    (error,) = struct.unpack_from("=i", answer, 16)  # struct nlmsgerr, behind struct nlmsghdr (linux/netlink.h)
    if error:
        raise OSError(-error, os.strerror(-error))
    return own


def batch(clamps: Mapping[str, int]) -> bytes:
    """The netlink messages of `replace`."""
    own: tuple[str, Any] = ("NFTA_TABLE_NAME", TABLE)
    messages = [
        _message(nft_table_msg, NFT_MSG_NEWTABLE, [own]),  # a table that is not there cannot be deleted
        _message(nft_table_msg, NFT_MSG_DELTABLE, [own]),
    ]
    if clamps:
        messages.append(_message(nft_table_msg, NFT_MSG_NEWTABLE, [own]))
        messages.append(_message(nft_chain_msg, NFT_MSG_NEWCHAIN, _chain()))
    for device, mss in clamps.items():
        for direction in (Meta.NFT_META_IIFNAME, Meta.NFT_META_OIFNAME):
            messages.append(_message(nft_rule_msg, NFT_MSG_NEWRULE, _rule(direction, device, mss)))
    messages[-1]["header"]["flags"] |= NLM_F_ACK
    return _encoded([_edge(_BATCH_BEGIN), *messages, _edge(_BATCH_END)])


def _edge(kind: int) -> Any:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"].update({"type": kind, "flags": NLM_F_REQUEST})
    return message


def _message(shape: Any, kind: int, attributes: _Attributes) -> Any:
    message = shape()
    message["nfgen_family"] = NFPROTO_IPV4
    create = 0 if kind == NFT_MSG_DELTABLE else NLM_F_CREATE | NLM_F_APPEND
    message["header"].update({"type": NFNL_SUBSYS_NFTABLES << 8 | kind, "flags": NLM_F_REQUEST | create})
    message["attrs"] = attributes
    return message


def _encoded(messages: Iterable[Any]) -> bytes:
    data = b""
    for number, message in enumerate(messages, 1):
        message["header"]["sequence_number"] = number
        message.encode()
        data += message.data
    return data


def _chain() -> _Attributes:
    hook = {"attrs": [("NFTA_HOOK_HOOKNUM", _HOOK_FORWARD), ("NFTA_HOOK_PRIORITY", _PRIORITY_MANGLE)]}
    return [
        ("NFTA_CHAIN_TABLE", TABLE),
        ("NFTA_CHAIN_NAME", _CHAIN),
        ("NFTA_CHAIN_HOOK", hook),
        ("NFTA_CHAIN_TYPE", "filter"),
    ]


def _rule(direction: Meta, device: str, mss: int) -> _Attributes:
    """Each expression works on register 1; the first comparison that fails ends the rule."""
    dreg, sreg = Regs.NFT_REG_1, Regs.NFT_REG_1
    expressions = [
        _expression("meta", key=direction, dreg=dreg),
        _expression("cmp", sreg=sreg, op=Cmp.NFT_CMP_EQ, data=_data(device.encode().ljust(_DEVICE_NAME_BYTES, b"\0"))),
        _expression("meta", key=Meta.NFT_META_L4PROTO, dreg=dreg),
        _expression("cmp", sreg=sreg, op=Cmp.NFT_CMP_EQ, data=_data(bytes([socket.IPPROTO_TCP]))),
        _expression("payload", dreg=dreg, base=_TRANSPORT_HEADER, offset=_FLAGS_AT, len=len(_SYN)),
        _expression("bitwise", sreg=sreg, dreg=dreg, len=len(_SYN), mask=_data(_SYN), xor=_data(b"\0")),
        _expression("cmp", sreg=sreg, op=Cmp.NFT_CMP_NEQ, data=_data(b"\0")),
        _expression("immediate", dreg=dreg, data=_data(mss.to_bytes(_MSS_BYTES, "big"))),
        _expression("exthdr", sreg=sreg, type=_MSS_KIND, offset=_MSS_AT, len=_MSS_BYTES, op=_TCP_OPTION),
    ]
    return [
        ("NFTA_RULE_TABLE", TABLE),
        ("NFTA_RULE_CHAIN", _CHAIN),
        ("NFTA_RULE_EXPRESSIONS", expressions),
    ]


def _expression(name: str, **attributes: Any) -> dict[str, _Attributes]:
    given = [(f"NFTA_{name}_{key}".upper(), value) for key, value in attributes.items()]
    return {"attrs": [("NFTA_EXPR_NAME", name), ("NFTA_EXPR_DATA", {"attrs": given})]}


def _data(value: bytes) -> dict[str, _Attributes]:
    return {"attrs": [("NFTA_DATA_VALUE", value)]}
