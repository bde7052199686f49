"""Dask schedules the runs of a study: on this machine, or on a cluster that is there already."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, as_completed

from quartier.sweep.template import start

TRIES = 3
"""How often a run may lose its worker before it is given up."""
QUIET: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    "distributed.worker.daemon": False,
    "distributed.logging.distributed": "error",
}


def scheduled(
    tasks: Sequence[dict[str, Any]], workers: int | None, scheduler: str | None
) -> Iterator[tuple[dict[str, Any], int | str]]:
    """Run tasks, and yield each with its exit code, or why it has none, as they end.

    Parameters
    ----------
    tasks
        As of :func:`~quartier.sweep.template.start`; one with a ``baseline`` begins when the task
        that writes there has ended.
    workers
        Runs at a time on this machine; as many as it has cores if None.
    scheduler
        Address of a cluster in place of this machine.
    """
    with _client(workers, scheduler) as client:
        futures: dict[str, Any] = {}
        task_of: dict[str, dict[str, Any]] = {}
        for task in tasks:
            before = futures.get(task["baseline"] or "")
            future = client.submit(start, task, before, pure=False, retries=0)
            futures[task["out"]], task_of[future.key] = future, task
        for future in as_completed(futures.values()):
            task = task_of[future.key]
            if future.status == "finished":
                yield task, future.result()
            else:
                error = future.exception()
                yield task, f"its worker was lost {TRIES} times ({type(error).__name__})"


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    with dask.config.set(QUIET):
        logging.getLogger("distributed").setLevel(logging.ERROR)
        if scheduler is not None:
            with Client(scheduler) as client:
                yield client
            return
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
