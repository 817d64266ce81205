"""The decoders that face the network, each with the packets that are spoilt for it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tests.fuzz import Decoder
from tests.fuzz.esp import esp, esp_decrypted
from tests.fuzz.ike import ike, ike_insider
from tests.fuzz.inner import inner
from tests.fuzz.isakmp import isakmp, isakmp_encrypted
from tests.fuzz.liar import ike_liar

DECODERS: dict[str, Callable[[], Decoder]] = {
    "isakmp": functools.cache(isakmp),
    "isakmp-encrypted": functools.cache(isakmp_encrypted),
    "ike": functools.cache(ike),
    "ike-insider": functools.cache(ike_insider),
    "ike-liar": functools.cache(ike_liar),
    "inner": functools.cache(inner),
    "esp": functools.cache(esp),
    "esp-decrypted": functools.cache(esp_decrypted),
}
