"""A lab a test group, and labs that a test takes down itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.laboratory import Laboratory


@pytest.fixture
def laboratory() -> Iterator[Laboratory]:
    """Nothing runs in it yet."""
    made = Laboratory()
    yield made
    made.close()


@pytest.fixture(scope="module")
def classic() -> Iterator[Laboratory]:
    """The classic lab, up; tests leave it as they found it."""
    made = Laboratory()
    try:
        made.up()
        yield made
    finally:
        made.close()
