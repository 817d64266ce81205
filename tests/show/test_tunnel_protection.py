"""`show tunnel protection statistics`."""

from __future__ import annotations

from dataclasses import replace

from iosish.show.tunnel_protection import statistics
from tests.show.crypto_routers import SOCKETS, secured_hub

HUB = """\
------------------------- Message Statistics -------------------------
   Sent:
      Listen Start   : 1    Listen Stop    : 0    Socket Open    : 4    
      Socket Close   : 1    
   Rcvd:
      General Error  : 0    Socket Error   : 0    Socket Ready   : 0    
      Socket Up      : 5    Socket Down    : 2    MTU Changed    : 0    
      Listen Ready   : 1    Other          : 0    

-------------------------- Error Statistics --------------------------
   Rcvd:
      Listen Start   : 0    Listen Stop    : 0    Socket Open    : 0    
      Socket Close   : 0    Conn Timeout   : 0    

------------ Data Statistics(Other than IPSec protection) ------------
   Sent:
      cef pkt drops  : 0    ps pkt drops   : 7    
   Rcvd:
      ps pkt drops   : 0    clear pkt drops: 12   
"""  # noqa: W291 - IOS leaves blanks at the end of lines


def test_sockets_and_what_was_not_protected() -> None:
    assert statistics(secured_hub()) == HUB


def test_nothing_happened() -> None:
    screen = statistics(replace(secured_hub(), sockets={}, drops={}))
    assert screen.count(": 0    ") == screen.count(":") - 5


def test_numbers_that_do_not_fit_push_the_rest_along() -> None:
    screen = statistics(replace(secured_hub(), sockets={**SOCKETS, "Socket Up": 1234567}))
    assert "      Socket Up      : 1234567 Socket Down    : 2    MTU Changed    : 0    \n" in screen
