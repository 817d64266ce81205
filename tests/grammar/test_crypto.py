"""The crypto lines: what is typed, what IOS makes of it, what `?` and the caret say, and what nobody shall read."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.cli.grammar import Grammar
from iosish.cli.help import help_lines
from iosish.cli.load import load
from iosish.cli.matcher import Failure, match
from iosish.cli.render import render
from iosish.config.model import Config
from iosish.config.secrets import octets, seal6, seal7, unseal6, unseal7
from tests.cli import lines

CLASSIC = """\
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
interface Tunnel0
 tunnel protection ipsec profile MyProfile
"""
#: In IOS's order and form, with every line that drives something.
ALL = """\
service password-encryption
ip domain name lab.example
crypto keyring BRANCHES
 local-address 172.16.15.2
 pre-shared-key address 10.0.0.0 255.0.0.0 key 6 $iosish$03271C54
 pre-shared-key address 192.0.2.1 key 6 $iosish$112A185F
 pre-shared-key hostname r9.lab.example key 6 $iosish$06074F23
crypto keyring OUTER vrf INET
 local-address FastEthernet0/0 INET
crypto logging session
no crypto isakmp default policy
crypto isakmp policy 10
 encr aes 256
 hash sha512
 authentication pre-share
 group 21
 lifetime 3600
crypto isakmp policy 20
 encr 3des
 hash md5
 authentication pre-share
 group 2
crypto isakmp policy 30
crypto isakmp key 6 JDYkOSBbQ^_PFbZTbJiBMEeWIZQVXAAB address 0.0.0.0
crypto isakmp key 6 $iosish$06074F23 address 10.1.0.0 255.255.0.0 no-xauth
crypto isakmp key 6 $iosish$06074F23 hostname r2
crypto isakmp identity hostname
crypto isakmp invalid-spi-recovery
no crypto isakmp enable
crypto isakmp keepalive 10 3 periodic
crypto isakmp nat keepalive 20
crypto isakmp aggressive-mode disable
crypto isakmp profile SPOKES
 vrf INSIDE
 keyring BRANCHES default
 self-identity fqdn hub.lab.example
 match certificate MAP
 match identity address 10.0.0.0 255.0.0.0
 match identity address 0.0.0.0 INET
 match identity host r9.lab.example
 ca trust-point CA
 initiate mode aggressive
 keepalive 30 retry 5
 local-address Loopback0
no crypto ipsec default transform-set
crypto ipsec security-association idle-time 600
crypto ipsec security-association lifetime days 2
crypto ipsec security-association lifetime kilobytes disable
crypto ipsec security-association replay window-size 1024
crypto ipsec transform-set AH ah-sha256-hmac esp-aes 192 esp-md5-hmac comp-lzs
 esn
 mode transport require
crypto ipsec transform-set GCM esp-gcm 256
 mode transport
crypto ipsec transform-set PLAIN esp-null esp-sha256-hmac
 mode tunnel
crypto ipsec df-bit clear
no crypto ipsec nat-transparency udp-encapsulation
crypto ipsec profile SPOKES
 set security-association dfbit set
 set security-association idle-time 300 default
 set security-association lifetime kilobytes 4096
 set security-association lifetime seconds 600
 set security-association replay disable
 set transform-set GCM PLAIN
 set pfs group19
 set ikev2-profile V2
 set isakmp-profile SPOKES
 set udp-encapsulation force
interface Tunnel0
 no ip address
 ip nhrp authentication 7 030752180500
 tunnel protection ipsec profile SPOKES shared isakmp-profile SPOKES
"""


def config(grammar: Grammar, text: str, base: Config | None = None) -> Config:
    loaded = load(grammar, text, base)
    assert not loaded.refused(), loaded.refused()
    return loaded.config


def shown(grammar: Grammar, text: str) -> list[str]:
    return [line for line in render(grammar, config(grammar, text)) if line != "!"]


def test_the_article_s_lines_come_back(grammar: Grammar) -> None:
    lines = shown(grammar, CLASSIC)
    assert (
        lines
        == CLASSIC.replace("sha-hmac\n", "sha-hmac\n mode tunnel\n")
        .replace("Tunnel0\n", "Tunnel0\n no ip address\n")
        .splitlines()
    )


def test_every_line_stands_where_ios_has_it(grammar: Grammar) -> None:
    assert shown(grammar, ALL) == ALL.splitlines()


def test_a_paste_that_is_there_already_changes_nothing(grammar: Grammar) -> None:
    for text in (CLASSIC, ALL):
        there = config(grammar, text)
        assert config(grammar, text, there) == there
        assert config(grammar, "\n".join(render(grammar, there)), there) == there


def test_no_before_every_line_of_a_section_leaves_it_empty(grammar: Grammar) -> None:
    there = config(grammar, ALL)
    undone, section = [], ""
    for line in ALL.splitlines():
        if not line.startswith(" "):
            section = line
        elif line != " no ip address":
            undone += [section, f" no{line}"]
    left = [line for line in render(grammar, config(grammar, "\n".join(undone), there)) if line.startswith(" ")]
    assert left == [" mode tunnel", " mode tunnel", " mode tunnel", " no ip address"]


def test_no_before_every_line_leaves_nothing(grammar: Grammar) -> None:
    there = config(grammar, ALL)
    lines = [line for line in ALL.splitlines() if not line.startswith(" ") and line != "service password-encryption"]
    undone = [line.removeprefix("no ") if line.startswith("no ") else f"no {line}" for line in lines]
    assert config(grammar, "\n".join([*undone, "default service password-encryption"]), there) == Config()


@pytest.mark.parametrize(
    ("typed", "back"),
    [
        ("crypto isakmp key K address 0.0.0.0 0.0.0.0", "crypto isakmp key K address 0.0.0.0"),
        ("crypto isakmp key 0 K address 0.0.0.0", "crypto isakmp key K address 0.0.0.0"),
        ("crypto isakmp key K address 10.1.2.3 255.255.255.255", "crypto isakmp key K address 10.1.2.3"),
        ("crypto isakmp key K address 10.1.2.3 255.255.0.0", "crypto isakmp key K address 10.1.0.0 255.255.0.0"),
        ("crypto isakmp key 0 6 address 10.1.2.3", "crypto isakmp key 0 6 address 10.1.2.3"),
        ("crypto isakmp key address address 10.1.2.3", "crypto isakmp key address address 10.1.2.3"),
        ("crypto isakmp keepalive 10 2 on-demand", "crypto isakmp keepalive 10"),
        ("crypto isakmp keepalive 10 periodic", "crypto isakmp keepalive 10 periodic"),
        ("cry isa id host", "crypto isakmp identity hostname"),
        ("ip domain-name lab.example", "ip domain name lab.example"),
    ],
)
def test_a_line_in_ios_s_form(grammar: Grammar, typed: str, back: str) -> None:
    assert shown(grammar, typed) == [back]


@pytest.mark.parametrize(
    ("section", "typed", "back"),
    [
        ("crypto isakmp policy 5", "encryption aes 128", " encr aes"),
        ("crypto isakmp policy 5", "enc 3", " encr 3des"),
        ("crypto isakmp policy 5", "group 5", " group 5"),
        ("crypto ipsec profile P", "set pfs", " set pfs group1"),
        ("crypto ipsec profile P", "set transform-set A  B", " set transform-set A B"),
        ("crypto ipsec profile P", "set sec life sec 120", " set security-association lifetime seconds 120"),
        (
            "crypto keyring K",
            "pre-shared-key address 0.0.0.0 key a b",
            " pre-shared-key address 0.0.0.0 0.0.0.0 key a b",
        ),
        ("crypto keyring K", "pre-shared-key hostname r1 key 0 6 x", " pre-shared-key hostname r1 key 0 6 x"),
        ("crypto isakmp profile P", "match identity address 0.0.0.0 0.0.0.0", " match identity address 0.0.0.0"),
        ("crypto isakmp profile P", "self-identity user-fqdn a@b", " self-identity user-fqdn a@b"),
        ("crypto isakmp profile P", "self-identity address ipv6", " self-identity address ipv6"),
    ],
)
def test_a_line_of_a_section_in_ios_s_form(grammar: Grammar, section: str, typed: str, back: str) -> None:
    assert shown(grammar, f"{section}\n {typed}") == [section, back]


@pytest.mark.parametrize(
    "default",
    [
        "crypto isakmp identity address",
        "crypto ipsec df-bit copy",
        "crypto ipsec security-association lifetime seconds 3600",
        "crypto ipsec security-association lifetime kilobytes 4608000",
        "crypto ipsec security-association replay window-size 64",
        "crypto ipsec nat-transparency udp-encapsulation",
        "crypto isakmp enable",
        "crypto isakmp default policy",
    ],
)
def test_a_default_is_not_shown(grammar: Grammar, default: str) -> None:
    assert shown(grammar, default) == []


def test_the_defaults_of_a_policy_are_not_shown(grammar: Grammar) -> None:
    text = "crypto isakmp policy 1\n encryption des\n hash sha\n authentication rsa-sig\n group 1\n lifetime 86400"
    assert shown(grammar, text) == ["crypto isakmp policy 1"]


def test_policies_stand_by_priority_and_keys_as_they_were_entered(grammar: Grammar) -> None:
    text = "crypto isakmp policy 20\ncrypto isakmp policy 3\ncrypto isakmp policy 100"
    assert shown(grammar, text) == [f"crypto isakmp policy {priority}" for priority in (3, 20, 100)]
    keys = ["crypto isakmp key B address 10.2.0.0 255.255.0.0", "crypto isakmp key A address 10.1.1.1"]
    assert shown(grammar, "\n".join(keys)) == keys


def test_a_transform_set_typed_again_is_another_one_in_the_same_mode(grammar: Grammar) -> None:
    first = "crypto ipsec transform-set T esp-sha-hmac esp-aes 256 ah-md5-hmac\n mode transport"
    assert shown(grammar, first)[0] == "crypto ipsec transform-set T ah-md5-hmac esp-aes 256 esp-sha-hmac"
    assert shown(grammar, f"{first}\ncrypto ipsec transform-set T esp-3des") == [
        "crypto ipsec transform-set T esp-3des",
        " mode transport",
    ]


def test_what_is_chosen_last_holds(grammar: Grammar) -> None:
    lifetime = "crypto ipsec security-association lifetime"
    assert shown(grammar, f"{lifetime} days 3\n{lifetime} seconds 600") == [f"{lifetime} seconds 600"]
    assert shown(grammar, f"{lifetime} kilobytes disable\n{lifetime} kilobytes 5000") == [f"{lifetime} kilobytes 5000"]
    replay = "crypto ipsec security-association replay"
    assert shown(grammar, f"{replay} disable\n{replay} window-size 512") == [f"{replay} window-size 512"]
    key = "crypto isakmp key {} address 10.0.0.0 255.0.0.0"
    assert shown(grammar, f"{key.format('6 SEALED')}\n{key.format('CLEAR')}") == [key.format("CLEAR")]


#: A line up to the caret of `% Invalid input detected at '^' marker.`, and what follows.
INVALID = [
    ("config", "crypto ipsec transform-set T esp-des esp-", "3des"),
    ("config", "crypto ipsec transform-set T esp-aes 256 esp-", "null"),
    ("config", "crypto ipsec transform-set T esp-gcm ", "esp-sha-hmac"),
    ("config", "crypto ipsec transform-set T esp-sha-hmac esp-", "gcm"),
    ("config", "crypto ipsec transform-set T ah-md5-hmac ", "ah-sha-hmac"),
    ("config", "crypto ipsec transform-set T esp-md5-hmac esp-s", "ha-hmac"),
    ("config", "crypto ipsec security-association replay window-size 10", "0"),
    ("config", "crypto isakmp policy ", "0"),
    ("config", "crypto isakmp key K address 10.0.0.0 ", "255.0.255.0"),
    ("config", "crypto isakmp keepalive ", "9"),
    ("config-isakmp", "group ", "3"),
    ("config-isakmp", "lifetime ", "59"),
    ("config-isakmp", "encryption aes ", "512"),
    ("cfg-crypto-trans", "mode transport require", "d"),
    ("ipsec-profile", "set pfs group", "3"),
    ("ipsec-profile", "set transform-set a b c d e f ", "g"),
]


@pytest.mark.parametrize(("mode", "right", "wrong"), INVALID)
def test_the_caret_stands_below_what_cannot_be(grammar: Grammar, mode: str, right: str, wrong: str) -> None:
    assert match(grammar.modes[mode], right + wrong) == Failure("invalid", len(right))


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("config", "crypto isakmp key K"),
        ("config", "crypto isakmp key K address"),
        ("config", "crypto isakmp policy"),
        ("config", "crypto ipsec transform-set T"),
        ("config-isakmp", "encryption"),
        ("config-isakmp", "no"),
        ("conf-keyring", "pre-shared-key address 10.0.0.1"),
        ("ipsec-profile", "set transform-set"),
        ("ipsec-profile", "set udp-encapsulation"),
    ],
)
def test_a_line_that_wants_more_is_incomplete(grammar: Grammar, mode: str, line: str) -> None:
    found = match(grammar.modes[mode], line)
    assert isinstance(found, Failure) and found.kind == "incomplete"


HELP = {
    ("config", "crypto isakmp key "): """\
  0     Specifies an UNENCRYPTED password will follow
  6     Specifies an ENCRYPTED password will follow
  WORD  The UNENCRYPTED (cleartext) user password""",
    ("config", "crypto isakmp key K address 0.0.0.0 "): """\
  A.B.C.D   Peer IP subnet mask
  no-xauth  Bypasses XAuth for this peer
  <cr>""",
    ("config", "crypto isakmp keepalive 10 "): """\
  <2-60>     Number of seconds between retries if keepalive fails
  on-demand  Send DPD queries only as needed
  periodic   Send DPD queries at regular intervals
  <cr>""",
    ("config", "crypto ipsec transform-set T esp-aes 256 "): """\
  ah-md5-hmac      AH-HMAC-MD5 transform
  ah-sha-hmac      AH-HMAC-SHA transform
  ah-sha256-hmac   AH-HMAC-SHA256 transform
  ah-sha384-hmac   AH-HMAC-SHA384 transform
  ah-sha512-hmac   AH-HMAC-SHA512 transform
  comp-lzs         IP Compression using the LZS compression algorithm
  esp-md5-hmac     ESP transform using HMAC-MD5 auth
  esp-sha-hmac     ESP transform using HMAC-SHA auth
  esp-sha256-hmac  ESP transform using HMAC-SHA256 auth
  esp-sha384-hmac  ESP transform using HMAC-SHA384 auth
  esp-sha512-hmac  ESP transform using HMAC-SHA512 auth
  <cr>""",
    ("config-isakmp", ""): """\
ISAKMP commands:
  authentication  Set authentication method for protection suite
  default         Set a command to its defaults
  encryption      Set encryption algorithm for protection suite
  exit            Exit from the current mode
  group           Set the Diffie-Hellman group
  hash            Set hash algorithm for protection suite
  lifetime        Set lifetime for ISAKMP security association
  no              Negate a command or set its defaults""",
    ("config-isakmp", "encryption aes "): """\
  128  128 bit keys.
  192  192 bit keys.
  256  256 bit keys.
  <cr>""",
    ("cfg-crypto-trans", "mode transport "): """\
  require  Refuse tunnel mode
  <cr>""",
    ("ipsec-profile", "set transform-set A "): """\
  WORD  Proposal tag
  <cr>""",
    ("ipsec-profile", "set udp-encapsulation "): "  force  Use UDP also where no NAT is found (iosish)",
    ("config-if", "tunnel protection ipsec profile P "): """\
  ikev2-profile   Specify the IKEv2 profile to use
  isakmp-profile  Specify the ISAKMP profile to use
  shared          Use a shared socket
  <cr>""",
}


@pytest.mark.parametrize(("mode", "line"), HELP)
def test_a_question_mark_lists_what_may_follow(grammar: Grammar, mode: str, line: str) -> None:
    help_lines(grammar.modes[mode], "e")  # what was asked before changes nothing
    assert "\n".join(help_lines(grammar.modes[mode], line)) == HELP[mode, line]


def test_help_says_whom_gcm_is_for(grammar: Grammar) -> None:
    """IOS has GCM under IKEv2 alone."""
    lines = help_lines(grammar.modes["config"], "crypto ipsec transform-set T ")
    assert [line for line in lines if "GCM" in line] == [
        "  esp-gcm          ESP transform using GCM cipher (in IKEv1: for strongSwan)"
    ]


# Secrets

CLEAR = """\
crypto keyring K
 pre-shared-key address 10.0.0.0 255.0.0.0 key ring secret
 pre-shared-key address ipv6 2001:DB8::/64 key sixth secret
 pre-shared-key hostname r1 key named secret
crypto isakmp key s3cret-1 address 0.0.0.0
crypto isakmp key s3cret-2 hostname r2
crypto isakmp key s3cret-3 address ipv6 2001:DB8::/64
interface Tunnel0
 ip nhrp authentication s3cret-4
"""


def test_password_encryption_hides_what_is_there_and_what_comes(grammar: Grammar) -> None:
    for text in (f"{CLEAR}service password-encryption", f"service password-encryption\n{CLEAR}"):
        hidden = config(grammar, text)
        text_of = "\n".join(render(grammar, hidden))
        assert "s3cret" not in text_of and "secret" not in text_of
        assert config(grammar, text_of) == hidden
        still = config(grammar, "no service password-encryption", hidden)
        assert "s3cret" not in "\n".join(render(grammar, still))


#: Kept lines with a secret, and how they stand under `service password-encryption`.
KEPT = {
    "enable password cisco": "enable password 7 01100F175804",
    "enable password level 5 cisco": "enable password level 5 7 01100F175804",
    "username a privilege 15 password 0 cisco": "username a privilege 15 password 7 01100F175804",
    "username password password cisco": "username password password 7 01100F175804",
    "line con 0\n password cisco": "line con 0\n password 7 01100F175804",
    "key chain K\n key 1\n  key-string 0 cisco": "key chain K\n key 1\n  key-string 7 01100F175804",
    "interface Tunnel0\n no ip address\n ip ospf authentication-key cisco": (
        "interface Tunnel0\n no ip address\n ip ospf authentication-key 7 01100F175804"
    ),
    "crypto ikev2 keyring K\n peer P\n  pre-shared-key local 0 cisco": (
        "crypto ikev2 keyring K\n peer P\n  pre-shared-key local 6 $iosish$01100F175804"
    ),
}


@pytest.mark.parametrize("line", KEPT)
def test_password_encryption_hides_kept_secrets_too(grammar: Grammar, line: str) -> None:
    hidden = f"service password-encryption\n{KEPT[line]}".splitlines()
    assert shown(grammar, f"service password-encryption\n{line}") == hidden
    assert shown(grammar, f"{line}\nservice password-encryption") == hidden
    assert shown(grammar, "\n".join(hidden)) == hidden


def test_a_kept_secret_stands_once_and_is_taken_back_in_either_spelling(grammar: Grammar) -> None:
    clear, typed = "enable password cisco", "enable password 7 01100F175804"
    assert shown(grammar, f"{typed}\n{clear}") == [clear]
    assert shown(grammar, f"{clear}\n{typed}") == [typed]
    assert shown(grammar, f"service password-encryption\n{clear}\nno {clear}") == ["service password-encryption"]
    assert shown(grammar, f"{clear}\nno {typed}") == []


@pytest.mark.parametrize(
    "line", ["enable secret 5 $1$x", "username a password 7 01100F175804", "enable password 7 01100F175804"]
)
def test_password_encryption_leaves_alone_what_is_no_secret_in_clear(grammar: Grammar, line: str) -> None:
    assert shown(grammar, f"{line}\nservice password-encryption") == ["service password-encryption", line]


def test_a_key_of_another_router_stays_as_it_is(grammar: Grammar) -> None:
    line = "crypto isakmp key 6 JDYkOSBbQ^_PFbZTbJiBMEeWIZQVXAAB address 0.0.0.0"
    assert shown(grammar, f"{line}\nservice password-encryption") == ["service password-encryption", line]


def test_no_secret_stands_in_a_repr(grammar: Grammar) -> None:
    text = repr(config(grammar, CLEAR)) + repr(config(grammar, f"{CLEAR}service password-encryption"))
    assert "secret" not in text and "s3cret" not in text
    assert not any(seal7(secret) in text for secret in ("s3cret-1", "ring secret", "s3cret-4"))


def test_type_7_is_that_of_ios() -> None:
    assert unseal7("0822455D0A16") == "cisco"
    assert unseal7("02050D480809") == "cisco"
    assert unseal7("1299") is not None
    assert unseal7("16AB") is None and unseal7("0") is None and unseal7("08") is None


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=128))
def test_what_is_sealed_can_be_read_again(secret: str) -> None:
    assert unseal7(seal7(secret)) == secret == unseal6(seal6(secret))
    assert octets(unseal7(seal7(secret)) or "") == secret.encode()


@given(st.text(max_size=60))
def test_what_is_no_seal_of_ours_is_not_read(text: str) -> None:
    assert unseal6(text) is None or text.startswith("$iosish$")
    sealed = unseal7(text)
    assert sealed is None or octets(sealed) is not None


def test_sealing_is_the_same_configuration_in_other_words(grammar: Grammar) -> None:
    clear = config(grammar, CLEAR)
    hidden = config(grammar, "service password-encryption", clear)
    assert replace(hidden, password_encryption=None, crypto=clear.crypto, interfaces=clear.interfaces) == clear
    assert list(hidden.crypto.isakmp.keys) == list(clear.crypto.isakmp.keys)


@pytest.mark.parametrize("seed", range(12))
def test_any_mix_of_crypto_lines_comes_back(grammar: Grammar, seed: int) -> None:
    source = random.Random(seed)
    modes = ("config-isakmp", "conf-keyring", "conf-isa-prof", "cfg-crypto-trans", "ipsec-profile")
    commands = [
        (mode, command)
        for mode, command in lines.configuration_commands(grammar)
        if mode.name in modes or (mode.name == "config" and command.path.startswith("crypto "))
    ]
    text = ["service password-encryption"] if seed % 2 else []
    for mode, command in source.choices(commands, k=60):
        text += lines.entering(grammar, mode, source)
        text.append(source.choice(["", "", "", "no "]) + lines.line(command, source))
        text.append("end")
    there = config(grammar, "\n".join(text))
    once = render(grammar, there)
    again = config(grammar, "\n".join(once))
    assert render(grammar, again) == once
    assert again == there
