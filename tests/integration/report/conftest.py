"""Reports of whole runs, opened in a browser."""

from __future__ import annotations

import pytest

from quartier.report import write_report
from tests.integration.browser import chromium, opened


@pytest.fixture(scope="module")
def results(run_of):
    """Runs by name, with their reports; made before the browser starts."""
    runs = {name: run_of("max-feed-in", name) for name in ("cohda", "uncontrolled")}
    runs["max-load"] = run_of("max-load", "cohda")
    for result in runs.values():
        if not (result.dir / "report.html").exists():
            write_report(result)  # a run that served as a baseline first
    return runs


@pytest.fixture(scope="module")
def browser(results):
    with chromium() as started:
        yield started


@pytest.fixture
def result(results):
    return results["cohda"]


@pytest.fixture
def seen(browser, result):
    """The report of a run with caps on a laptop."""
    with opened(browser, result.dir / "report.html") as page:
        yield page


@pytest.fixture(scope="module")
def read(browser, results):
    """The same for tests that only read or download, so that it is opened once."""
    with opened(browser, results["cohda"].dir / "report.html") as page:
        yield page
