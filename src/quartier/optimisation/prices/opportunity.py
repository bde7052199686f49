"""At which prices of power it pays to make or take another carrier otherwise (Algorithm 1, line 3).

Of a unit that gives or takes power p with a carrier X, at a cost c, and of another source of X at
c_X: both cost the same at the price of power ``(c - c_X · X) / p``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quartier.quantities import ELECTRICITY
from quartier.units import KINDS
from quartier.units.base import Carrier, Flow, UnitData


def opportunity_prices(units: Sequence[UnitData], step: int) -> list[float]:
    """Opportunity costs of a step in EUR/kWh of power, ascending.

    Units that store are left out: what they could do at another time is what a forecast is for.
    """
    ways = [way for unit in units for way in _ways(unit, step)]
    values: dict[Carrier, set[float]] = {}
    for flow, cost in ways:
        made = [carrier for carrier, kw in flow.items() if kw > 0]
        if len(made) == 1 and ELECTRICITY not in flow:
            values.setdefault(made[0], {0.0}).add(cost / flow[made[0]])
    found = set()
    for flow, cost in ways:
        power = flow.pop(ELECTRICITY, 0.0)
        if power and len(flow) <= 1:
            ((carrier, kw),) = flow.items() or [("", 0.0)]
            found |= {(cost - value * kw) / power for value in values.get(carrier, {0.0})}
    return sorted(found)


def _ways(unit: UnitData, step: int) -> Iterator[tuple[dict[Carrier, float], float]]:
    """What each control of a unit does a kW of, by carrier, and what that costs in EUR/h.

    Carriers that it buys, itself or at its node, are in the cost.
    """
    kind = KINDS[unit.kind]
    if kind.stores or kind.sessions:
        return
    series = {name: float(values[step]) for name, values in unit.series.items()}
    nothing = dict.fromkeys((control.name for control in kind.controls), 0.0)
    for control in kind.controls:
        if control.binary:
            continue
        one: Flow = kind.flow(unit.parameters, {**nothing, control.name: 1.0}, series, 1.0)
        flow = {carrier: float(kw) for carrier, kw in one.power_kw.items() if kw}
        cost = float(one.cost_eur)
        for carrier, (price, _) in kind.priced.items():
            if getattr(unit.parameters, price) is not None:
                flow.pop(carrier, None)
        for carrier, node in unit.nodes.items():
            if node.buy is not None and flow.get(carrier, 0.0) < 0:
                cost -= flow.pop(carrier) * float(node.buy.price_eur_per_kwh[step])
        if flow:
            yield flow, cost
