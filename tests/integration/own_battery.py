"""A simulator of a user's own, as a process: ``python own_battery.py HOST:PORT [FAULT]``.

With ``--client`` before the address it calls there instead, once.

A battery of 90 % efficiency each way, which nobody told Quartier. It serves one execution after
another until it is ended. FAULT: ``version``, ``dies``, ``raises``, ``hangs``, ``text``, ``mute``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from time import sleep
from typing import Any

import mosaik_api_v3

EFFICIENCY = 0.9


class OwnBattery(mosaik_api_v3.Simulator):
    """One battery; power in kW, positive when fed in."""

    def __init__(self, fault: str = "") -> None:
        attrs = ["set_point_kw", "energy_kwh"] + ([] if fault == "mute" else ["p_kw"])
        model = {"public": True, "params": ["energy_kwh"], "attrs": attrs}
        version = "2.4" if fault == "version" else "3.0"
        super().__init__(
            {"api_version": version, "type": "time-based", "models": {"Battery": model}}
        )
        self.fault, self.energy_kwh, self.p_kw = fault, 0.0, 0.0

    def init(self, sid: str, time_resolution: float = 1.0, step_size: int = 900) -> Any:
        self.step_size = step_size
        return self.meta

    def create(self, num: int, model: str, energy_kwh: float) -> list[dict[str, str]]:
        self.energy_kwh = energy_kwh
        return [{"eid": "battery", "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int:
        if time >= self.step_size and self.fault in {"dies", "raises", "hangs"}:
            self._fail()
        asked = next(iter(inputs["battery"]["set_point_kw"].values())) if inputs else None
        self.p_kw = min(asked or 0.0, self.energy_kwh * EFFICIENCY * 3600 / self.step_size)
        share = 1 / EFFICIENCY if self.p_kw > 0 else EFFICIENCY
        self.energy_kwh -= self.p_kw * share * self.step_size / 3600
        return time + self.step_size

    def _fail(self) -> None:
        if self.fault == "dies":
            os._exit(1)
        if self.fault == "hangs":
            sleep(60)
        raise ZeroDivisionError("a mistake in the model")

    def get_data(self, outputs: Any) -> Any:
        power: Any = "much" if self.fault == "text" else self.p_kw
        values = {"p_kw": power, "energy_kwh": self.energy_kwh}
        return {eid: {name: values[name] for name in names} for eid, names in outputs.items()}


def main() -> None:
    if sys.argv[1] == "--client":
        host, port = sys.argv[2].split(":")
        asyncio.run(mosaik_api_v3.run_as_client(OwnBattery(), host, int(port)))
        return
    host, port = sys.argv[1].split(":")
    fault = sys.argv[2] if len(sys.argv) > 2 else ""
    while True:
        asyncio.run(
            mosaik_api_v3.run_as_server(OwnBattery(fault), host, int(port), start_timeout=600)
        )


if __name__ == "__main__":
    main()
