"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

import quartier
from quartier import Result

# How long an example takes is the machine's, not the code's: on a busy one no test fails for it.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """As in a run: small matrices, and no threads that wait for each other on busy machines."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """Return the folder that all processes of this session of tests share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def run_once(shared) -> Callable[..., Result]:
    """Return a run of the arguments of `quartier.run`, made once, whichever process asks first."""

    def finished(scenario: str, *overrides: str, coordination: str, seed: int = 1) -> Result:
        asked = "--".join((scenario, *overrides, str(seed)))
        out = shared / f"{coordination}-{crc32(asked.encode()):08x}"
        with FileLock(f"{out}.lock"):
            if not (out / "manifest.json").exists():
                quartier.run(
                    scenario, coordination=coordination, seed=seed, overrides=overrides, out=out
                )
        return Result.open(out)

    return finished
