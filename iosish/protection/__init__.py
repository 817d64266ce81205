"""Tunnel protection: what the crypto lines mean for each tunnel, or why it must stay down. Pure.

`held` is about the configuration alone: a tunnel that is not held runs, and its line protocol does not wait for an SA.
What is asked for and not built (IKEv2, certificates, AH, VRFs) holds the tunnel down rather than to protect it less.
"""

from iosish.protection.policies import policies as policies
from iosish.protection.reasons import held as held
from iosish.protection.told import ike_config as ike_config
from iosish.protection.tunnels import Claims as Claims
from iosish.protection.tunnels import MapTags as MapTags
from iosish.protection.tunnels import isakmp_profile_name as isakmp_profile_name
