"""What PV and wind make of the weather of a test reference year, as shares of the rated power.

PV: PVWatts (Dobos 2014, NREL/TP-6A20-62641) by pvlib: irradiance on the tilted plane by Perez,
modules of -0.35 % per kelvin on a roof, 14 % losses, an inverter of the modules' rating. Wind: one
turbine without a wake by windpowerlib: its power curve, wind at the hub by the logarithmic law over
farmland, air density of the hour.

DWD's hours of radiation are centred at their stamps (their mean lies at true noon, while it would
come half an hour later, were they the hours that end there), so the sun is looked up there, and the
mean of an hour is that of its two ends.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from quartier import cache
from quartier.quantities import Array
from quartier.scenario import weather
from quartier.scenario.record import Record, SeriesError

ROUGHNESS_M = 0.15
"""Roughness length of farmland with some houses (windpowerlib's example)."""
LOSS_PER_K = -0.0035
"""Change of the power of crystalline modules per kelvin above 25 °C (PVWatts: premium)."""
ZERO_CELSIUS_K = 273.15
LEAST_HUB_M, MOST_HUB_M = 10.0, 250.0


def pv(region: int, tilt_deg: float, azimuth_deg: float, year: int) -> Record:
    """Power of PV by its rated power, hourly over a calendar year.

    Parameters
    ----------
    tilt_deg, azimuth_deg
        Slope of the modules (0: flat), and where they face (180: south, 90: east).
    """
    made_of = cache.key("demandlib", "pvlib")
    name = f"{made_of}/pv-{region}-{tilt_deg:g}-{azimuth_deg:g}-{year}.parquet"
    values = weather.cached_values(name, lambda: _make_pv(region, tilt_deg, azimuth_deg, year))
    return Record(_start(year), 1.0, values)


def wind(region: int, turbine: str, hub_m: float, year: int) -> Record:
    """Power of a turbine by its rated power, hourly over a calendar year.

    Parameters
    ----------
    turbine
        Its type as windpowerlib calls it (``E-82/2300``).
    hub_m
        Height of its hub in m.
    """
    made_of, plain = cache.key("demandlib", "windpowerlib"), turbine.replace("/", "_")
    name = f"{made_of}/wind-{region}-{plain}-{hub_m:g}-{year}.parquet"
    values = weather.cached_values(name, lambda: _make_wind(region, turbine, hub_m, year))
    return Record(_start(year), 1.0, values)


def check_pv(tilt_deg: float, azimuth_deg: float) -> None:
    """Raise SeriesError if modules cannot face so."""
    if not (0 <= tilt_deg <= 90 and 0 <= azimuth_deg <= 360):
        raise SeriesError(
            f"PV of tilt {tilt_deg:g} and azimuth {azimuth_deg:g} cannot be: the tilt is 0 (flat)"
            " to 90, the azimuth 0 to 360 (180: south)"
        )


def check_wind(turbine: str, hub_m: float) -> None:
    """Raise SeriesError if there is no such turbine, or none so high."""
    known = turbines()
    if turbine not in known:
        raise SeriesError(f"there is no turbine {turbine!r}; known: {', '.join(known)}")
    if not LEAST_HUB_M <= hub_m <= MOST_HUB_M:
        raise SeriesError(
            f"a hub {hub_m:g} m high cannot be: write {LEAST_HUB_M:g} to {MOST_HUB_M:g}"
        )


@functools.cache
def turbines() -> tuple[str, ...]:
    """Types of turbines whose power curve windpowerlib has (OpenEnergy database)."""
    from windpowerlib import get_turbine_types

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas, about windpowerlib
        types = get_turbine_types(print_out=False)
    return tuple(sorted(types["turbine_type"][types["has_power_curve"].astype(bool)]))


def _start(year: int) -> pd.Timestamp:
    return pd.Timestamp(year, 1, 1, tz="Etc/GMT-1").tz_convert("UTC")


def _make_pv(region: int, tilt_deg: float, azimuth_deg: float, year: int) -> Array:
    from pvlib.irradiance import dni
    from pvlib.location import Location
    from pvlib.modelchain import ModelChain
    from pvlib.pvsystem import PVSystem
    from pvlib.temperature import TEMPERATURE_MODEL_PARAMETERS

    data, place = weather.reference_year(region, year), weather.station(region)
    data.index += pd.Timedelta(hours=1)  # to DWD's stamps
    site = Location(place.latitude_deg, place.longitude_deg, altitude=place.altitude_m)
    sun = site.get_solarposition(data.index)
    ghi = data["B"] + data["D"]
    beam = dni(ghi, data["D"], sun["zenith"], zenith_threshold_for_zero_dni=88.0).fillna(0.0)
    on_roof = TEMPERATURE_MODEL_PARAMETERS["sapm"]["close_mount_glass_glass"]
    system = PVSystem(
        surface_tilt=tilt_deg,
        surface_azimuth=azimuth_deg,
        module_parameters={"pdc0": 1.0, "gamma_pdc": LOSS_PER_K},
        inverter_parameters={"pdc0": 1.0},
        temperature_model_parameters=on_roof,
    )
    sky = {"ghi": ghi, "dni": beam, "dhi": data["D"]}
    air = {"temp_air": data["t"], "wind_speed": data["WG"]}
    chain = ModelChain.with_pvwatts(system, site).run_model(pd.DataFrame(sky | air))
    at_stamps = np.maximum(chain.results.ac.fillna(0.0).to_numpy(dtype=float), 0.0)
    return np.asarray((np.roll(at_stamps, 1) + at_stamps) / 2, dtype=float)


def _make_wind(region: int, turbine: str, hub_m: float, year: int) -> Array:
    from windpowerlib import ModelChain, WindTurbine

    data = weather.reference_year(region, year)
    inputs = {
        ("wind_speed", 10): data["WG"],
        ("temperature", 2): data["t"] + ZERO_CELSIUS_K,
        ("pressure", 0): 100.0 * data["p"],
        ("roughness_length", 0): ROUGHNESS_M,
    }
    with _silent_root():
        one = WindTurbine(turbine_type=turbine, hub_height=hub_m)
    chain = ModelChain(one, density_model="ideal_gas", density_correction=True)
    with _silent_root():
        power_w = np.asarray(chain.run_model(pd.DataFrame(inputs)).power_output, dtype=float)
    return np.minimum(power_w / float(one.nominal_power), 1.0)


@contextmanager
def _silent_root() -> Iterator[None]:
    """Keep windpowerlib's bare ``logging.debug`` from giving the root logger a handler for good."""
    root, nobody = logging.getLogger(), logging.NullHandler()
    root.addHandler(nobody)
    try:
        yield
    finally:
        root.removeHandler(nobody)
