"""The log lines of IKE and IPsec, in IOS's words. What IOS does not say has the facility IOSISH."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from iosish.engine import LogEvent


def isakmp_on_off(on: bool) -> LogEvent:
    return LogEvent("CRYPTO", 6, "ISAKMP_ON_OFF", f"ISAKMP is {'ON' if on else 'OFF'}")


def bad_message(peer: IPv4Address) -> LogEvent:
    """Also what a wrong pre-shared key looks like on the responder: message 5 decrypts to noise."""
    return LogEvent("CRYPTO", 4, "IKMP_BAD_MESSAGE", f"IKE message from {peer} failed its sanity check or is malformed")


def not_encrypted(peer: IPv4Address) -> LogEvent:
    return LogEvent(
        "CRYPTO", 6, "IKMP_NOT_ENCRYPTED", f"IKE packet from {peer} was not encrypted and it should've been."
    )


def mode_failure(mode: str, peer: IPv4Address) -> LogEvent:
    """`mode`: "Main", "Aggressive", "Quick" or "Informational"."""
    return LogEvent("CRYPTO", 6, "IKMP_MODE_FAILURE", f"Processing of {mode} mode failed with peer at {peer}")


def setup_failure(
    local: IPv4Address,
    local_identity: str,
    peer: IPv4Address,
    peer_identity: str | None,
    profile: str | None,
    reason: str,
    count: int,
) -> LogEvent:
    return LogEvent(
        "CRYPTO",
        5,
        "IKMP_SETUP_FAILURE",
        f"IKE SETUP FAILED for local:{local} local_id:{local_identity} remote:{peer} "
        f"remote_id:{peer_identity or peer} IKE profile:{profile or 'None'} fvrf:None "
        f"fail_reason:{reason} fail_class_cnt:{count}",
    )


def no_key(peer: IPv4Address) -> LogEvent:
    return LogEvent("CRYPTO", 6, "IKMP_NO_PRESHARED_KEY", f"Pre-shared key for remote peer at {peer} is missing")


def session_status(up: bool, peer: IPv4Address, port: int, identity: str | None) -> LogEvent:
    status = "UP  ." if up else "DOWN."
    return LogEvent(
        "CRYPTO",
        5,
        "SESSION_STATUS",
        f"Crypto tunnel is {status}  Peer {peer}:{port}       Id: {identity or peer}",
    )


def invalid_spi(local: IPv4Address, peer: IPv4Address, spi: int, protocol: int = 50) -> LogEvent:
    return LogEvent(
        "CRYPTO",
        4,
        "RECVD_PKT_INV_SPI",
        f"decaps: rec'd IPSEC packet has invalid spi for destaddr={local}, prot={protocol}, "
        f"spi=0x{spi:X}({spi}), srcaddr={peer}",
    )


def mac_error(local: IPv4Address, peer: IPv4Address, spi: int, sequence: int, connection: int) -> LogEvent:
    return LogEvent(
        "CRYPTO",
        4,
        "RECVD_PKT_MAC_ERR",
        f"decrypt: mac verify failed for connection id={connection} local={local} remote={peer} "
        f"spi={spi:08X} seqno={sequence:08X}",
    )


def replay_error(local: IPv4Address, peer: IPv4Address, spi: int, sequence: int, connection: int) -> LogEvent:
    return LogEvent(
        "CRYPTO",
        4,
        "PKT_REPLAY_ERR",
        f"decrypt: replay check failed connection id={connection}, sequence number={sequence} "
        f"local={local} remote={peer} spi={spi:08X}",
    )


def not_ipsec(local: IPv4Address, peer: IPv4Address) -> LogEvent:
    """GRE came in the clear, or what came out of an SA is not what it is for."""
    return LogEvent(
        "CRYPTO",
        4,
        "RECVD_PKT_NOT_IPSEC",
        f"Rec'd packet not an IPSEC packet. (ip) vrf/dest_addr= /{local}, src_addr= {peer}, prot= 47",
    )


def length_error(local: IPv4Address, peer: IPv4Address, spi: int) -> LogEvent:
    return LogEvent(
        "CRYPTO",
        4,
        "RECVD_PKT_INV_LEN",
        f"decapsulate: packet has invalid length for destaddr={local}, prot=50, spi=0x{spi:X}({spi}), srcaddr={peer}",
    )


def weak(words: Iterable[str]) -> LogEvent:
    return LogEvent(
        "IOSISH",
        4,
        "WEAK_CRYPTO",
        f"Configured for use, and weak: {', '.join(words)}; AES, SHA-256 and group 14 or more are not",
    )


def no_map(peer: IPv4Address, local: IPv4Address) -> LogEvent:
    return LogEvent(
        "IOSISH",
        4,
        "NO_CRYPTO_MAP",
        f"{peer} wants IPsec with {local}, but no tunnel protection with this source takes it",
    )


def half_open_limit(limit: int) -> LogEvent:
    return LogEvent(
        "IOSISH", 4, "IKE_HALF_OPEN", f"{limit} negotiations that peers began are open; the oldest makes room"
    )
