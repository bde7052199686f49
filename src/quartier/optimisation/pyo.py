"""``pyomo.environ`` and a little more of Pyomo, imported when something of it is first asked for.

Many runs solve nothing, and Pyomo takes long to import: the more as it imports all statistics of
SciPy beside, which linear programs need nothing of.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

ELSEWHERE = {
    "LinearExpression": "pyomo.core.expr.numeric_expr",
    "LinearStandardFormCompiler": "pyomo.repn.plugins.standard_form",
    "compute_bounds_on_expr": "pyomo.contrib.fbbt.fbbt",
    "generate_standard_repn": "pyomo.repn",
}
"""Where Pyomo keeps what ``pyomo.environ`` does not hand out."""
BESIDE = ("scipy.integrate", "scipy.spatial", "scipy.stats")
"""What Pyomo imports to have it at hand; SciPy imports it itself when it is asked for."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # Python asks modules for those
        raise AttributeError(name)
    environ = load()
    home = import_module(ELSEWHERE[name]) if name in ELSEWHERE else environ
    found = globals()[name] = getattr(home, name)
    return found


def load() -> ModuleType:
    """Import Pyomo now, where its time counts for nobody's negotiation."""
    with _without(BESIDE):
        import_module("pyomo.common.dependencies")
    return import_module("pyomo.environ")


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Let imports of modules that are not there yet find empty ones."""
    empty = {name: ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]
