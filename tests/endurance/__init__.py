"""Kills routers and forwarders of an encrypted lab at drawn moments, fills its disk, and cuts its startup-configs.

One command, all of it: `python -m tests.endurance`. What each kill does follows from seed and number alone, so that
`python -m tests.endurance --seed 5 --kills 200 --only 37` does it again.
"""
