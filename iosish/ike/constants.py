"""Numbers: the times of IOS, and the limits that keep a flood cheap. Protocol numbers stand beside their codecs."""

from __future__ import annotations

# --- What we send ---------------------------------------------------------------------------------------------------
COOKIE_OCTETS = 8
NONCE_OCTETS = 20
SHORTEST_NONCE, LONGEST_NONCE = 8, 256  # that are taken (RFC 2409 5)
IKE_PORT = 500
NAT_PORT = 4500  # of IKE and ESP once a NAT was found (RFC 3947 4)
GRE = 47
UDP = 17
FIRST_CONNECTION_ID = 1001  # of ISAKMP SAs
FIRST_FLOW_ID = 1  # of IPsec SAs
SMALLEST_SPI = 256  # RFC 4303 2.1

# --- Time -----------------------------------------------------------------------------------------------------------
RETRANSMIT_S = 10
RETRANSMISSIONS = 5
HALF_OPEN_S = 60  # as long as the initiator goes on sending
RETRY_FIRST_S = 2.0  # after a failed negotiation of a wanted flow, doubled each time ...
RETRY_LAST_S = 30.0  # ... up to this
RETRY_SHORTEST = 0.75  # share of it that chance may leave
RESTART_S = (0.2, 0.5)  # a flow that the peer took down: it may be about to build it again
EARLY_S = 30.0  # a peer that takes unused pairs down sooner than this, again and again, is asked more and more rarely
REBUILD_PHASE1_S = (1.0, 4.0)  # ours, IOS waits for phase 2: a peer with IPsec SAs lost its last ISAKMP SA
REKEY_S = 30.0  # before the end of an SA: by one end ...
REKEY_OTHER_S = 22.0  # ... by the other only if that one did not
REKEY_JITTER_S = 3.0
REKEY_SHARE = 0.25  # at most this share of a short life
SWITCH_S = 0.5  # a peer may install a new pair no sooner than it has read the last message: so long the old one is used
COLLISION_S = 5.0  # pairs that both ends made at once are not further apart
REKEY_OCTETS = 256 * 1024  # before the end of the volume
REKEY_OCTETS_SHARE = 0.1
DELETED_SHOWN_S = 45  # `ACTIVE (deleted)`
IDLE_SLACK_S = 2.0  # both ends see SAs idle for the same time, but for when their planes report
DONE_KEPT_S = 60  # a finished quick mode, to answer what comes again
ANSWER_AGAIN_S = 0.5  # the same message once more: answered so often
DPD_RETRIES = 5

# --- Limits ---------------------------------------------------------------------------------------------------------
MAX_HALF_OPEN_PER_PEER = 64  # of one address: many may be behind one NAT
MAX_SAS_PER_PEER = 32  # ISAKMP SAs of one pair of addresses that are up; the oldest makes room
MAX_PAIRS_PER_FLOW = 8  # IPsec SAs of one flow; the oldest makes room
MAX_FLOWS = 16384
MAX_QUICK_MODES = 32  # at once in one ISAKMP SA
MAX_MESSAGE_IDS = 2048  # remembered against replay, per ISAKMP SA, which is followed by another one then
MAX_ANSWERS_AGAIN = 20  # to one message
MAX_DELETED = 512  # shown
DH_COST = 8  # of what one `wake` computes, see `work.cost`
MAX_SPOILT = 3  # messages of one phase 1 that cost Diffie-Hellman in vain; beyond, it takes nothing any more
MAX_WORK = 4096  # messages that wait for Diffie-Hellman
PEER_BURST, PEER_RATE = 500, 200.0  # messages of one address, per second
FIRST_BURST, FIRST_RATE = 5000, 4000.0  # first messages of all: there has to be time for who is up
DH_BURST, DH_RATE = 64, 10.0  # answers that cost Diffie-Hellman, to one address
AGGRESSIVE_BURST, AGGRESSIVE_RATE = 200, 50.0  # first messages of aggressive mode, of all: each costs
NOTIFY_BURST, NOTIFY_RATE = 3, 0.5  # unprotected notifies to one address
RECOVERY_BURST, RECOVERY_RATE = 2, 0.1  # of what a peer has and we lost, with one address
ALL_RECOVERY_BURST, ALL_RECOVERY_RATE = 50, 5.0  # main modes begun for it, with all of them: peers can be made up
LOG_BURST, LOG_RATE = 5, 0.1  # log lines of one kind about one address
ESP_LOG_S = 60.0  # IOS says once a minute that ESP of one peer is refused
ALL_LOG_BURST, ALL_LOG_RATE = 1000, 5.0  # log lines of one kind about all of them: peers can be made up
MAX_PEERS = 8192  # addresses whose rate is watched
MAX_QUEUED = 65536  # datagrams, events or changes not yet taken
