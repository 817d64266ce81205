"""Diffie-Hellman groups: MODP (RFC 2409 6, 3526, 5114) and elliptic curves modulo a prime (RFC 5903).

Values on the wire are padded on the left to the size of their group. MODP exponentiation is OpenSSL's, reached through
the library that Python itself has loaded: `cryptography` proves the primes of groups 1 and 2 anew for each value of a
peer, which takes 60 ms, and it is about to give up Diffie-Hellman over finite fields. Where OpenSSL cannot be reached
it is Python's own `pow`, which takes ten times as long.
"""

from __future__ import annotations

import _hashlib
import ctypes
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from iosish.ike.errors import PacketError

#: Octets of a private exponent: twice the strength of the largest prime here (RFC 3526 8), and no less than 32.
EXPONENT_OCTETS = 32
EXPONENT_OCTETS_16 = 40

_PRIMES = {
    1: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF"
    ),
    2: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
    ),
    5: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
        "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF"
    ),
    14: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
        "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
        "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
        "15728E5A8AACAA68FFFFFFFFFFFFFFFF"
    ),
    15: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
        "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
        "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
        "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
        "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
        "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"
    ),
    16: (
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
        "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
        "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
        "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
        "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
        "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7"
        "88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8DBBBC2DB04DE8EF92E8EFC141FBECAA6"
        "287C59474E6BC05D99B2964FA090C3A2233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9"
        "93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF"
    ),
    24: (
        "87A8E61DB4B6663CFFBBD19C651959998CEEF608660DD0F25D2CEED4435E3B00E00DF8F1D61957D4FAF7DF4561B2AA30"
        "16C3D91134096FAA3BF4296D830E9A7C209E0C6497517ABD5A8A9D306BCF67ED91F9E6725B4758C022E0B1EF4275BF7B"
        "6C5BFC11D45F9088B941F54EB1E59BB8BC39A0BF12307F5C4FDB70C581B23F76B63ACAE1CAA6B7902D52526735488A0E"
        "F13C6D9A51BFA4AB3AD8347796524D8EF6A167B5A41825D967E144E5140564251CCACB83E6B486F6B3CA3F7971506026"
        "C0B857F689962856DED4010ABD0BE621C3A3960A54E710C375F26375D7014103A4B54330C198AF126116D2276E11715F"
        "693877FAD7EF09CADB094AE91E1A1597"
    ),
}
_GENERATOR_24 = (
    "3FB32C9B73134D0B2E77506660EDBD484CA7B18F21EF205407F4793A1A0BA12510DBC15077BE463FFF4FED4AAC0BB555"
    "BE3A6C1B0C6B47B1BC3773BF7E8C6F62901228F8C28CBB18A55AE31341000A650196F931C77A57F2DDF463E5E9EC144B"
    "777DE62AAAB8A8628AC376D282D6ED3864E67982428EBC831D14348F6F2F9193B5045AF2767164E1DFC967C1FB3F2E55"
    "A4BD1BFFE83B9C80D052B985D182EA0ADB2A3B7313D3FE14C8484B1E052588B9B7D2BBD2DF016199ECD06E1557CD0915"
    "B3353BBB64E0EC377FD028370DF92B52C7891428CDC67EB6184B523D1DB246C32F63078490F00EF8D647D148D4795451"
    "5E2327CFEF98C582664B4C0F6CC41659"
)
_ORDER_24 = "8CF83642A709A097B447997640129DA299B1A47D1EB3750BA308B0FE64F5FBD3"

_CURVES: dict[int, type[ec.EllipticCurve]] = {19: ec.SECP256R1, 20: ec.SECP384R1, 21: ec.SECP521R1}

GROUPS = frozenset({*_PRIMES, *_CURVES})


class Randomness(Protocol):
    """`random.Random`, or what a test puts in its place."""

    def randbytes(self, n: int, /) -> bytes: ...


class Exchange(Protocol):
    """Our half of one exchange. `public` is what goes into the KE payload."""

    public: bytes

    def shared(self, peer: bytes) -> bytes:
        """The common secret, as long as the group. Raises PacketError for a value that is none of the group's."""


class DiffieHellman:
    """Makes exchanges. `done` counts exponentiations (or multiplications), for whoever must not do too many at once."""

    def __init__(self, source: Randomness) -> None:
        self._source = source
        self.done = 0

    def begin(self, group: int) -> Exchange:
        """Raises KeyError for a group that is not in GROUPS."""
        self.done += 1
        if group in _CURVES:
            return _Curve(_CURVES[group](), self._source)
        octets = EXPONENT_OCTETS_16 if group == 16 else EXPONENT_OCTETS
        return _Modp(group, self._source.randbytes(octets))


def public_octets(group: int) -> int:
    """Length of a KE payload's value. Raises KeyError for a group that is not in GROUPS."""
    if group in _CURVES:
        return 2 * ((_CURVES[group]().key_size + 7) // 8)
    return len(_PRIMES[group]) // 2


class _Modp:
    def __init__(self, group: int, exponent: bytes) -> None:
        self._group = group
        if group == 24:
            order = int(_ORDER_24, 16)
            exponent = (int.from_bytes(exponent, "big") % (order - 1) + 1).to_bytes(32, "big")
        else:
            exponent = bytes((exponent[0] | 0x80,)) + exponent[1:]  # of its full length, and never 0
        self._exponent = exponent
        generator = bytes.fromhex(_GENERATOR_24) if group == 24 else b"\x02"
        self.public = _power(group)(generator, exponent)

    def shared(self, peer: bytes) -> bytes:
        if len(peer) != public_octets(self._group):
            raise PacketError("public value of a wrong length")
        value, prime = int.from_bytes(peer, "big"), int(_PRIMES[self._group], 16)
        if not 1 < value < prime - 1:  # RFC 2412 5: such a value gives the secret away
            raise PacketError("public value out of range")
        secret = _power(self._group)(peer, self._exponent)
        if self._group == 24 and _power(24)(peer, bytes.fromhex(_ORDER_24)) != (1).to_bytes(256, "big"):
            raise PacketError("public value of no use in its group")  # RFC 5114 4: small subgroups
        return secret


class _Curve:
    def __init__(self, curve: ec.EllipticCurve, source: Randomness) -> None:
        self._curve = curve
        self._octets = (curve.key_size + 7) // 8
        # 64 bits more than the order has, so that no scalar is likelier than another; never 0.
        scalar = int.from_bytes(source.randbytes(self._octets + 8), "big") % (curve.group_order - 1) + 1
        self._private = ec.derive_private_key(scalar, curve)
        numbers = self._private.public_key().public_numbers()
        self.public = numbers.x.to_bytes(self._octets, "big") + numbers.y.to_bytes(self._octets, "big")

    def shared(self, peer: bytes) -> bytes:
        if len(peer) != 2 * self._octets:
            raise PacketError("public value of a wrong length")
        x, y = (int.from_bytes(part, "big") for part in (peer[: self._octets], peer[self._octets :]))
        try:
            point = ec.EllipticCurvePublicNumbers(x, y, self._curve).public_key()
        except ValueError:
            raise PacketError("public value is no point of its curve") from None
        return self._private.exchange(ec.ECDH(), point)  # the x coordinate (RFC 5903 9)


Power = Callable[[bytes, bytes], bytes]
"""Base and exponent to the power modulo a group's prime, padded."""


@cache
def _power(group: int) -> Power:
    prime = bytes.fromhex(_PRIMES[group])
    with suppress(OSError, AttributeError, ValueError):
        return _openssl(prime)
    modulus = int.from_bytes(prime, "big")

    def power(base: bytes, exponent: bytes) -> bytes:
        return pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), modulus).to_bytes(len(prime), "big")

    return power


_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "BN_CTX_new": (_POINTER, []),
    "BN_new": (_POINTER, []),
    "BN_bin2bn": (_POINTER, [ctypes.c_char_p, _INT, _POINTER]),
    "BN_bn2binpad": (_INT, [_POINTER, ctypes.c_char_p, _INT]),
    "BN_clear_free": (None, [_POINTER]),
    "BN_MONT_CTX_new": (_POINTER, []),
    "BN_MONT_CTX_set": (_INT, [_POINTER] * 3),
    "BN_mod_exp_mont_consttime": (_INT, [_POINTER] * 6),
}


@cache
def _library() -> ctypes.PyDLL:
    """OpenSSL, as Python's hashlib has it loaded. Raises OSError or AttributeError where it is not to be had.

    PyDLL keeps Python's lock during a call: a group's context serves one thread at a time.
    """
    library = ctypes.PyDLL(_hashlib.__file__)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _openssl(prime: bytes) -> Power:
    """Exponentiation in constant time by OpenSSL's big numbers. Raises OSError, AttributeError, ValueError."""
    library, octets = _library(), len(prime)
    context, montgomery = library.BN_CTX_new(), library.BN_MONT_CTX_new()
    modulus = library.BN_bin2bn(prime, octets, None)
    if not (context and montgomery and modulus and library.BN_MONT_CTX_set(montgomery, modulus, context)):
        raise ValueError("OpenSSL has no room")

    def power(base: bytes, exponent: bytes) -> bytes:
        numbers = [
            library.BN_new(),
            library.BN_bin2bn(base, len(base), None),
            library.BN_bin2bn(exponent, len(exponent), None),
        ]
        try:
            result, number, secret = numbers
            out = ctypes.create_string_buffer(octets)
            done = library.BN_mod_exp_mont_consttime(result, number, secret, modulus, context, montgomery)
            if not done or library.BN_bn2binpad(result, out, octets) != octets:
                raise MemoryError("OpenSSL could not compute a power")
            return out.raw
        finally:
            for number in numbers:
                library.BN_clear_free(number)

    return power
