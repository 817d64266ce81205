"""Crypto lines typed at a console: the prompts of their sections, `?`, mistakes, and what is there afterwards."""

from __future__ import annotations

from tests.terminal.shipped import ShippedRouter, console
from tests.terminal.test_screen import screen


def test_the_sections_and_how_they_are_left() -> None:
    router = ShippedRouter()
    typed = (
        "conf t\rcrypto isakmp policy 10\rauthentication pre-share\rcrypto isakmp key P4ssw0rd address 0.0.0.0\r"
        "crypto ipsec transform-set T esp-aes esp-sha-hmac\rmode transport\r"
        "crypto ipsec profile P\rset transform-set T\rcrypto keyring K\rcrypto isakmp profile I\rexit\rend\r"
    )
    assert console(typed, router) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#crypto isakmp policy 10
        R1(config-isakmp)#authentication pre-share
        R1(config-isakmp)#crypto isakmp key P4ssw0rd address 0.0.0.0
        R1(config)#crypto ipsec transform-set T esp-aes esp-sha-hmac
        R1(cfg-crypto-trans)#mode transport
        R1(cfg-crypto-trans)#crypto ipsec profile P
        R1(ipsec-profile)#set transform-set T
        R1(ipsec-profile)#crypto keyring K
        R1(conf-keyring)#crypto isakmp profile I
        R1(conf-isa-prof)#exit
        R1(config)#end
        R1#""")
    assert "P4ssw0rd" in router.running_config()


def test_a_transform_set_takes_one_cipher() -> None:
    assert console("conf t\rcrypto ipsec transform-set T esp-des esp-3des\r") == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#crypto ipsec transform-set T esp-des esp-3des
                                                            ^
        % Invalid input detected at '^' marker.

        R1(config)#""")


def test_a_question_mark_in_a_section() -> None:
    assert console("conf t\rcrypto ipsec transform-set T esp-des\rmode ?\x15end\r") == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#crypto ipsec transform-set T esp-des
        R1(cfg-crypto-trans)#mode ?
          transport  transport (payload encapsulation) mode
          tunnel     tunnel (datagram encapsulation) mode

        R1(cfg-crypto-trans)#end
        R1#""")


def test_no_secret_on_the_screen_after_password_encryption() -> None:
    router = ShippedRouter()
    console("conf t\rcrypto isakmp key P4ssw0rd address 0.0.0.0\rservice password-encryption\rend\r", router)
    shown = console("show running-config | include key\r", router)
    assert "P4ssw0rd" not in shown
    assert "crypto isakmp key 6 $iosish$" in shown
