"""What is said over a network, as JSON: known kinds only, every field of the type it must have.

Nothing that is received is ever executed: no pickle, no class by its import path. Arrays travel as
base64 of their little-endian bytes, so that no bit is lost.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from quartier.agents import auction_messages, messages, mo_messages, price_messages
from quartier.agents.caller import Outcome
from quartier.agents.counters import Counters
from quartier.agents.memory import Option
from quartier.agents.mo_cohda import FrontOption
from quartier.hiccups import Hiccup
from quartier.optimisation import Solution
from quartier.optimisation.directed import Direction
from quartier.pareto import Scale
from quartier.problem import ConnectionTerms, State
from quartier.units.schedule import Schedule

DTYPES = {"<f8": "f", "<i4": "i", "<i8": "i", "|b1": "b"}
"""Arrays that may be sent, by what NumPy calls their type."""

KIND = "@"
"""Key under which the name of a kind stands."""

_MODULES = (messages, mo_messages, price_messages, auction_messages)
_OTHERS = (
    *(ConnectionTerms, Direction, FrontOption, Hiccup, Option, Outcome, Scale, Schedule, Solution),
    State,
)
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(
            found
            for module in _MODULES
            for found in vars(module).values()
            if isinstance(found, type) and is_dataclass(found)
        ),
        *_OTHERS,
    )
}
"""Everything that can be sent besides numbers, texts and arrays, by its name."""


class Malformed(ValueError):
    """What was received is not what may be sent."""


def register(kinds: Iterable[type]) -> None:
    """Let more dataclasses be sent (ValueError: one of that name can be already)."""
    for kind in kinds:
        if KINDS.setdefault(kind.__name__, kind) is not kind:
            raise ValueError(f"two kinds are called {kind.__name__}")


def dumps(value: Any) -> bytes:
    """Write a value as JSON."""
    return json.dumps(encode(value), separators=(",", ":")).encode()


def loads(data: bytes, hint: Any) -> Any:
    """Read a value of a type.

    Raises
    ------
    Malformed
        If it is not JSON, or not of that type.
    """
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:  # bytes that are no text are a ValueError too
        raise Malformed(f"no JSON: {error}") from error
    return decode(plain, hint)


# -- writing --------------------------------------------------------------------------------------
def encode(value: Any) -> Any:
    """Return plain data that :func:`decode` reads (TypeError: it cannot be sent).

    Fields that may hold anything hold plain data already.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, Counters):
        return {"names": list(value.names), "counters": _array(value.array)}
    if isinstance(value, Mapping):
        return {"map": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if KINDS.get(type(value).__name__) is type(value):
        own = {
            name: getattr(value, name) if hint is Any else encode(getattr(value, name))
            for name, hint in _hints(KINDS[type(value).__name__]).items()
        }
        return {KIND: type(value).__name__, **own}
    raise TypeError(f"{type(value).__name__} cannot be sent over a network")


def _array(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    dtype = values.dtype.newbyteorder("<").str
    if dtype not in DTYPES:
        raise TypeError(f"arrays of {values.dtype} cannot be sent over a network")
    data = base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()
    return {"array": dtype, "shape": list(values.shape), "data": data}


# -- reading --------------------------------------------------------------------------------------
def decode(data: Any, hint: Any) -> Any:
    """Return what plain data stands for, checked against a type hint.

    Raises
    ------
    Malformed
        If it is not of that type, whatever it is.
    """
    try:
        return _decode(data, hint)
    except Malformed:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise Malformed(f"{type(error).__name__}: {error}") from error


def _decode(data: Any, hint: Any) -> Any:
    if hint is Any:
        return data
    if hint in _PLAIN:
        return _PLAIN[hint](data)
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _one_of(data, get_args(hint))
    if origin is Literal:
        return _must(data in get_args(hint), data, hint) and data
    if hint is np.ndarray:
        return _read_array(data, "".join(DTYPES.values()))
    if origin is np.ndarray:
        kind = np.dtype(get_args(get_args(hint)[1])[0]).kind
        return _read_array(data, kind)
    if origin is tuple:
        return _tuple(data, get_args(hint))
    if origin is list:
        return list(_tuple(data, (*get_args(hint), ...)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(data, *get_args(hint))
    return _kind(data, hint)


def plain(data: Any) -> Any:
    """Return what plain data stands for if that is mappings, lists and arrays of no known type.

    Raises
    ------
    Malformed
        If an array in it is none.
    """
    if isinstance(data, list):
        return [plain(item) for item in data]
    if isinstance(data, dict) and data.keys() == {"map"}:
        return {plain(key): plain(item) for key, item in data["map"]}
    if isinstance(data, dict):
        return decode(data, np.ndarray)
    return data


def _must(holds: bool, data: Any, hint: Any) -> bool:
    if not holds:
        text = repr(data)
        name = getattr(hint, "__name__", str(hint))
        raise Malformed(f"{text[:60]}{'…' if len(text) > 60 else ''} is no {name}")
    return True


def _number(data: Any) -> float:
    _must(isinstance(data, int | float) and not isinstance(data, bool), data, float)
    _must(isinstance(data, float) or abs(data) < 2**53, data, float)
    return float(data)


def _exactly(hint: type) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        return _must(type(data) is hint, data, hint) and data

    return read


def _nothing(data: Any) -> None:
    _must(data is None, data, type(None))


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    float: _number,
    int: _exactly(int),
    str: _exactly(str),
    bool: _exactly(bool),
    type(None): _nothing,
}


def _one_of(data: Any, hints: Sequence[Any]) -> Any:
    if data is None and type(None) in hints:
        return None
    problem = Malformed("of no type")
    for hint in hints:
        if hint is not type(None):
            try:
                return _decode(data, hint)
            except Malformed as error:
                problem = error
    raise problem


def _tuple(data: Any, hints: Sequence[Any]) -> tuple[Any, ...]:
    _must(isinstance(data, list), data, tuple)
    if len(hints) == 2 and hints[1] is ...:
        return tuple(_decode(item, hints[0]) for item in data)
    _must(len(data) == len(hints), data, tuple)
    return tuple(_decode(item, hint) for item, hint in zip(data, hints, strict=True))


def _mapping(data: Any, key: Any, item: Any) -> Mapping[Any, Any]:
    _must(isinstance(data, dict), data, Mapping)
    if data.keys() == {"names", "counters"}:
        names = _tuple(data["names"], (str, ...))
        counters = _read_array(data["counters"], "i")
        fit = len(set(names)) == len(names) and counters.shape == (len(names),)
        _must(fit and counters.dtype == np.int32 and (key, item) == (str, int), data, Counters)
        return Counters(names, counters)
    _must(data.keys() == {"map"} and isinstance(data["map"], list), data, Mapping)
    pairs = [_tuple(pair, (key, item)) for pair in data["map"]]
    return dict(pairs)


def _read_array(data: Any, kinds: str) -> Any:
    _must(isinstance(data, dict) and data.keys() == {"array", "shape", "data"}, data, np.ndarray)
    dtype, text = data["array"], data["data"]
    _must(isinstance(dtype, str) and DTYPES.get(dtype, " ") in kinds, data, np.ndarray)
    shape = _tuple(data["shape"], (int, ...))
    _must(all(0 <= size < 2**31 for size in shape) and len(shape) <= 3, data, np.ndarray)
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise Malformed(f"no base64: {error}") from error
    _must(len(raw) == math.prod(shape) * np.dtype(dtype).itemsize, data, np.ndarray)
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def _kind(data: Any, hint: Any) -> Any:
    _must(isinstance(data, dict) and isinstance(data.get(KIND), str), data, hint)
    kind = KINDS.get(data[KIND])
    if kind is None:
        raise Malformed(f"the kind {data[KIND][:60]!r} is unknown")
    _must(hint is object or (isinstance(hint, type) and issubclass(kind, hint)), data, hint)
    hints = _hints(kind)
    _must(data.keys() == {KIND, *hints}, data, kind)
    return kind(**{name: _decode(data[name], own) for name, own in hints.items()})


@lru_cache(maxsize=256)
def _hints(kind: type) -> dict[str, Any]:
    """Types of the fields of a kind, by name."""
    found = get_type_hints(kind)
    return {field.name: found[field.name] for field in fields(kind)}
