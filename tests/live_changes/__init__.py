"""Every live line of tunnels, NHRP and crypto, changed and changed back on routers in namespaces, under flows that must
lose nothing.

One command, all of it: `python -m tests.live_changes`. The lines are those of `tests/simulation/live_lines.py`.
"""
