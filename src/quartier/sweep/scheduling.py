"""Dask schedules the runs of a study: on this machine, or on a cluster that is there already."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from quartier.errors import InputError
from quartier.sweep.cluster import check_workers
from quartier.sweep.template import start

TRIES = 3
"""How often a run may lose its worker before it is given up."""
HERE = "127.0.0.1"
ANSWER_S = 5
"""Time in which a scheduler must answer."""
QUIET: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    "distributed.worker.daemon": False,
    "distributed.logging.distributed": "error",
}


def scheduled(
    tasks: Sequence[dict[str, Any]],
    workers: int | None,
    scheduler: str | None,
    folder: Path,
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
    folder
        Folder that all of them write below.

    Raises
    ------
    InputError
        If nobody answers at the address, or workers there see other files or another Quartier.
    """
    with _client(workers, scheduler) as client:
        if scheduler is not None:
            check_workers(client, scheduler, folder)
        futures: dict[str, Any] = {}
        task_of: dict[str, dict[str, Any]] = {}
        for task in tasks:
            before = futures.get(task["baseline"] or "")
            future = client.submit(start, task, before, pure=False, retries=0)
            futures[task["out"]], task_of[future.key] = future, task
        alone: set[str] = set()
        ending = as_completed(list(futures.values()))
        for future in ending:
            task = task_of[future.key]
            before = futures.get(task["baseline"] or "")
            if future.status == "finished":
                yield task, future.result()
            elif before is not None and before.status == "error" and task["out"] not in alone:
                again = client.submit(start, task, None, pure=False, retries=0)  # it never began
                task_of[again.key] = task
                alone.add(task["out"])
                ending.add(again)
            else:
                yield task, _why(future.exception())


def _why(error: BaseException | None) -> str:
    if isinstance(error, KilledWorker):
        return f"its worker was lost {TRIES} times"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    with dask.config.set(QUIET):
        logging.getLogger("distributed").setLevel(logging.ERROR)
        if scheduler is not None:
            with _cluster(scheduler) as client:
                yield client
            return
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                host=HERE,
                scheduler_kwargs={"dashboard_address": f"{HERE}:0"},  # else 8787, once a machine
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Meet a cluster that is there already."""
    try:
        client = Client(address, timeout=ANSWER_S)
    except (OSError, TimeoutError, ValueError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            [
                f"no Dask scheduler answers at {address} in {ANSWER_S} s ({why}); start one with"
                " 'dask scheduler', or leave out --scheduler"
            ]
        ) from error
    with client:
        yield client
