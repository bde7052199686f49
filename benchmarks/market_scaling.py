"""How the mechanisms of a market scale with agents and days: figure 8 of seed 003.

A row a size of `germany` and mechanism: time of planning in s, and relative to that of the same
mechanism at the first size, as in the source. Prices go to a certified gap of 0.01 %.

The agents of `price-response` answer one after the other; beside it is what no number of workers
could save of them, the slowest answer of every round. With workers (the source has 16, 48 and 128
cores; here 1 and 2), the same search asks processes that hold the neighbourhoods' models, each its
part of them: building these counts, starting the processes does not, and no message is simulated.
`central` is one program: no worker helps it.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import perf_counter

import numpy as np

from quartier.agents.strategies.price_response import PriceResponse
from quartier.agents.strategies.pricing import pooling, published
from quartier.centralised.market import CentralMarket
from quartier.instance import Instance, build
from quartier.optimisation.prices import Memory, Responder, Suppliers, serve
from quartier.problem import NeighbourhoodProblem, Problem
from quartier.quantities import Array
from quartier.scenario.load import load

HEADS = f"{'agents':>6}{'days':>5}  {'mechanism':<24}{'s':>8}{'x':>7}{'slowest s':>11}{'rounds':>8}"


def main() -> None:
    """Print the table; the first size is the one that others are relative to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="*", type=int, default=[30, 60])
    parser.add_argument("--days", nargs="*", type=int, default=[1])
    parser.add_argument("--ways", nargs="*", default=["smooth"], choices=["smooth", "level"])
    parser.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    options = parser.parse_args()
    print(HEADS)
    first: dict[str, float] = {}
    for days in options.days:
        for agents in options.agents:
            for name, wall_s, rest in measured(agents, days, options.ways, options.workers):
                times = f"{wall_s:>8.2f}{wall_s / first.setdefault(name, wall_s):>7.1f}"
                print(f"{agents:>6}{days:>5}  {name:<24}{times}{rest}", flush=True)


def measured(
    agents: int, days: int, ways: list[str], workers: list[int]
) -> list[tuple[str, float, str]]:
    """Mechanism, time in s, and the rest of its row."""
    instance, problem = asked(agents, days)
    began = perf_counter()
    CentralMarket().plan(problem, instance.initial_state(), np.random.default_rng(1))
    found = [("central", perf_counter() - began, "")]
    for way in ways:
        instance, problem = asked(agents, days, f"market.stabilisation={way}")
        began = perf_counter()
        plan = PriceResponse().plan(problem, instance.initial_state(), np.random.default_rng(1))
        wall_s, rows = perf_counter() - began, plan.records["rounds"]
        assert isinstance(rows, list)
        slowest_s = sum(float(row["wall_s"]) for row in rows)
        found.append((f"price-response, {way}", wall_s, f"{slowest_s:>11.2f}{len(rows):>8}"))
        for count in workers:
            wall_s, rounds = by_workers(problem, way, count)
            found.append((f"- {count} workers", wall_s, f"{'':>11}{rounds:>8}"))
    return found


def by_workers(problem: Problem, way: str, count: int) -> tuple[float, int]:
    """Time in s and rounds of a search whose answers so many processes compute."""
    coupling = pooling(problem)
    fee = coupling.inside_fee_eur_per_kwh
    owners, public = coupling.public
    known = Suppliers(public, owners, coupling.asked)
    alone = {one.name: published(one, fee) for one in problem.neighbourhoods}
    tolerance, level = problem.market.tolerance, way == "level"
    search = Memory(public, alone, tolerance, suppliers=known, level=level)
    with processes(count) as pipes:
        began = perf_counter()
        for k, pipe in enumerate(pipes):
            pipe.send((problem.neighbourhoods[k::count], fee))
        while True:
            for pipe in pipes:
                pipe.send(search.price)
            for name, own in coupling.asked.items():
                known.hear(name, search.number, serve(own, search.price))
            for pipe in pipes:
                for name, response in pipe.recv():
                    search.hear(name, search.number, response)
            search.conclude()
            if search.is_settled or not search.go_on():
                return perf_counter() - began, search.number


@contextmanager
def processes(count: int) -> Iterator[Sequence[Connection]]:
    """So many processes that answer prices, ready to be told for whom; they end with the block."""
    context = multiprocessing.get_context("spawn")
    pipes, started = [], []
    for _ in range(count):
        here, there = context.Pipe()
        started.append(context.Process(target=answering, args=(there,)))
        started[-1].start()
        pipes.append(here)
    try:
        for pipe in pipes:
            pipe.recv()  # ready
        yield pipes
    finally:
        for pipe, process in zip(pipes, started, strict=True):
            pipe.send(None)
            process.join()


def answering(pipe: Connection) -> None:
    """Answer one price after the other for some neighbourhoods, until told to end."""
    pipe.send("ready")
    own: dict[str, Responder] = {}
    while (told := pipe.recv()) is not None:
        if isinstance(told, tuple):
            given: tuple[Sequence[NeighbourhoodProblem], Array] = told
            neighbourhoods, fee = given
            own = {one.name: Responder(one, fee) for one in neighbourhoods}
        else:
            pipe.send([(name, responder.answer(told)[0]) for name, responder in own.items()])


def asked(agents: int, days: int, *overrides: str) -> tuple[Instance, Problem]:
    """The problem of a size, from a Monday in January on."""
    size = (f"problem.agents={agents}", f"horizon.steps={24 * days}", "market.tolerance=1e-4")
    instance = build(load("germany:week", [*size, *overrides]))
    return instance, instance.problem(0, 0, instance.initial_state())


if __name__ == "__main__":
    main()
