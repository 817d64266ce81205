"""Numbers: what we put on the wire, and the limits that keep a flood cheap."""

from __future__ import annotations

# --- What we send ---------------------------------------------------------------------------------------------------
# The values of IOS 12.4(9)T. Later releases: MTU 17916 (17912 with a tunnel key), registration prefix 32, request
# prefix 32, record prefix 32, preference 255, holding time 600. All are taken on receipt.
HOP_COUNT = 255  # in every type, replies too
MTU = 1514  # of the tunnel interface, not `ip mtu`
REGISTRATION_PREFIX = 255  # with the unique flag (RFC 2332 5.2.3)
REQUEST_PREFIX = 0
REPLY_PREFIX = 32
RECORD_PREFIX = 0  # responder and transit records
NAT_PREFIX = 32
PREFERENCE = 0
OWN_ADDRESS_AGE_S = 1  # a resolution reply about our own address says this much less than the holding time

# --- Flags ----------------------------------------------------------------------------------------------------------
NAT = 0x0002  # in types 1 to 6: the sender understands extension 9
ROUTER = 0x8000
AUTHORITATIVE = 0x4000
DESTINATION_STABLE = 0x2000
RESOLUTION_UNIQUE = 0x1000
SOURCE_STABLE = 0x0800
RESOLUTION_FLAGS = ROUTER | AUTHORITATIVE | SOURCE_STABLE | NAT  # 0xc802
ANSWERED = AUTHORITATIVE | DESTINATION_STABLE | RESOLUTION_UNIQUE  # set by the responder: 0xf802
COPIED = ROUTER | SOURCE_STABLE | NAT
REGISTRATION_UNIQUE = 0x8000
NO_REPLY = 0x8000  # of a purge request

# --- Time -----------------------------------------------------------------------------------------------------------
SECOND_REGISTRATION_S = 1.0  # at start IOS registers twice
RETRY_FIRST_S = 2
RETRY_LAST_S = 64
RETRY_SHORTEST = 0.75
RETRY_LONGEST = 1.0
RETRY_LONGEST_AT_LAST = 1.1
UNANSWERED_UNTIL_DOWN = 3
INCOMPLETE_S = 180  # lifetime of incomplete and negative entries
REFRESH_S = 120  # a used entry is asked for again this long before its end ...
REFRESH_SHARE = 0.5  # ... but at most this share of its life, so that holding times of seconds work
USED_CHECK_S = 60  # how often IOS looks at the used flag

# --- SAs of a protected tunnel ----------------------------------------------------------------------------------------
SA_LOST_S = 10  # a dynamic entry outlives the SA of its peer so long: time to build another
SA_AWAITED_S = 60  # a new one waits so long for its first SA; main mode's retransmissions end about then
PEER_DEAD_AGAIN_S = 60  # a server that does not answer costs it its SAs at most this often
REPLY_HELD_S = 4  # a resolution reply waits so long for the requester's SA, then it goes by the NHS

# --- Limits ---------------------------------------------------------------------------------------------------------
MAX_ENTRIES = 16384  # cache entries of one interface
MAX_ENTRIES_PER_PEER = 64  # of one NBMA address: clients behind one translated address
MAX_INCOMPLETE = 256  # open questions of one interface; the oldest makes room
MAX_REQUESTERS = 1024  # remembered for a purge, per entry
MAX_PEERS = 8192  # NBMA addresses whose rate is watched
PEER_BURST, PEER_RATE = 500, 200.0  # packets of one NBMA address, per second
ERROR_BURST, ERROR_RATE = 5, 1.0  # error indications to one NBMA address
LOG_BURST, LOG_RATE = 5, 0.1  # log lines of one kind about one NBMA address
ALL_LOG_BURST, ALL_LOG_RATE = 1000, 50.0  # log lines of one kind about all of them
MAX_AWAITED = 256  # peers of one interface that have no SA yet; beyond, requesters are not learnt
MAX_HELD_REPLIES = 256  # resolution replies of one interface that wait for an SA
MAX_HELD_REPLIES_PER_PEER = 16
MAX_QUEUED = 4096  # datagrams or events not yet taken
MAX_QUOTED = 512  # octets of a bad packet in an error indication
