"""pandapower, imported so that what numba compiles of it is kept on disk.

pandapower 3.5 compiles its Jacobian, admittances and results anew in every process, which takes
longer than a day of power flows. numba can keep the machine code beside the source, or in the
user's cache folder if that cannot be written; it is the same code, so figures do not change.
"""

from __future__ import annotations

import functools
import importlib
from contextlib import suppress
from types import ModuleType

COMPILED = (
    "pandapower.build_bus",
    "pandapower.pf.create_jacobian_numba",
    "pandapower.pf.dSbus_dV_numba",
    "pandapower.pf.makeYbus_numba",
    "pandapower.pf.pfsoln_numba",
)
"""Modules of pandapower with functions that numba compiles and pandapower does not keep."""


@functools.cache
def pandapower() -> ModuleType:
    """Return pandapower with its compiled functions kept between processes."""
    found = importlib.import_module("pandapower")
    with suppress(ImportError):  # of numba: pandapower does without it, too
        from numba.core.dispatcher import Dispatcher

        for name in COMPILED:
            for function in vars(importlib.import_module(name)).values():
                if isinstance(function, Dispatcher):
                    with suppress(RuntimeError):  # no place can be written
                        function.enable_caching()
    return found
