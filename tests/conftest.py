"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """As in a run: small matrices, and no threads that wait for each other on busy machines."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
