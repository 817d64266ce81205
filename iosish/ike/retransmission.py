"""Sending again what is not answered, and answering again what came again: as IOS, every 10 s, five times."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Protocol

from iosish.engine import UdpDatagram
from iosish.ike import constants as c
from iosish.ike.node import Node


class Sender(Protocol):
    """An ISAKMP SA in phase 1, or a quick mode: who sends a message and waits for the next."""

    sent: UdpDatagram | None
    sent_times: int
    sent_at: float
    answered_times: int

    @property
    def peer(self) -> IPv4Address: ...

    def __hash__(self) -> int: ...


def send(node: Node, sender: Sender, datagram: UdpDatagram, now: float, expects_answer: bool) -> None:
    """Send a message; `expects_answer`: again and again, until `stop` or the next `send`."""
    sender.sent = datagram
    sender.sent_times = sender.answered_times = 0
    sender.sent_at = now
    node.send(datagram)
    if expects_answer:
        node.after("retransmission", sender, now + c.RETRANSMIT_S)
    else:
        stop(node, sender)


def stop(node: Node, sender: Sender) -> None:
    node.cancel("retransmission", sender)


def again(node: Node, sender: Sender, now: float) -> bool:
    """The answer did not come: send once more. False: it was sent often enough."""
    if sender.sent is None or sender.sent_times >= c.RETRANSMISSIONS:
        return False
    sender.sent_times += 1
    sender.sent_at = now
    node.send(sender.sent)
    node.after("retransmission", sender, now + c.RETRANSMIT_S)
    return True


def answer_again(node: Node, sender: Sender, now: float) -> None:
    """The message that `sent` answered came again. Copies that the network made are not answered one by one."""
    if sender.sent is None or now - sender.sent_at < c.ANSWER_AGAIN_S or sender.answered_times >= c.MAX_ANSWERS_AGAIN:
        return
    sender.answered_times += 1
    sender.sent_at = now
    node.counters["retransmissions answered"] += 1
    node.send(sender.sent)
