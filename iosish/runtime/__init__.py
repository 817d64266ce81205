"""One router on real sockets and clocks: `serve` runs it until it is told to end."""

from iosish.runtime.options import RouterOptions
from iosish.runtime.service import serve

__all__ = ["RouterOptions", "serve"]
