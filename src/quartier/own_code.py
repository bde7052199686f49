"""Code of the user's own, named ``module:name``: from the working directory, or installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from quartier.errors import InputError, place


def named(path: str, what: str) -> Any:
    """Return what ``module:name`` (mosaik's notation) stands for.

    Parameters
    ----------
    path
        ``module:name``; the module is looked for in the working directory first.
    what
        What is named so, for the error: ``coordination 'mine:Mine'``.

    Raises
    ------
    InputError
        If the module cannot be imported, or has nothing of this name: what is wrong with a
        module of the user's is wrong input.
    """
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module_name), name, None)
    except (Exception, SystemExit) as error:  # a script without a guard may exit
        raise InputError([f"{what}: {_why(error, module_name, here)}"]) from error
    if found is None:
        raise InputError([f"{what}: module {module_name!r} has no class {name!r}"])
    return found


def source_of(path: str) -> Path | None:
    """Return the file of ``module:name``, None if it is not to be found from here."""
    module_name = path.partition(":")[0]
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        spec = importlib.util.find_spec(module_name)
    except (ImportError, ValueError, AttributeError):
        return None
    file = Path(spec.origin) if spec is not None and spec.origin else None
    return file if file is not None and file.is_file() else None


def _why(error: BaseException, module_name: str, here: str) -> str:
    lacking = isinstance(error, ModuleNotFoundError) and error.name
    if lacking and module_name.startswith(lacking):
        return f"no module {module_name!r} in {here} or installed"
    where = "" if isinstance(error, SyntaxError) else place(error, here)
    return f"cannot import {module_name!r}: {type(error).__name__}: {error}{where}"


def told(error: BaseException, owner: object) -> str:
    """Say what went wrong in an object's own module, and in which line of it."""
    file = getattr(sys.modules[owner.__module__], "__file__", None)
    return f"{type(error).__name__}: {error}{place(error, file) if file else ''}"
