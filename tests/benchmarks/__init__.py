"""Measurements that print numbers: `python -m tests.benchmarks [NAME]...`. Nothing here fails on a slow day."""
