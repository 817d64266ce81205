"""The exec commands that do something.

Each is `async def name(session, **arguments)`; the grammar calls it `exec.module.name`.
"""
