"""The data of a page as JSON: every array is there once, numbers as Base64 in little endian."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from quartier.results.files import plain

SHORT = 24
"""Lists up to this length stand where they are used."""
_DTYPES = {"f": {4: "f4", 8: "f8"}, "i": {1: "i1", 2: "i2", 4: "i4"}, "u": {1: "u1", 2: "u2"}}


class Payload:
    """Collects figures and other data; arrays that occur several times are stored once.

    Attributes
    ----------
    store
        Arrays by key. Where they are used stands ``{"$": key}``.
    """

    def __init__(self) -> None:
        self.store: list[Any] = []
        self._keys: dict[str, int] = {}

    def figure(self, figure: go.Figure) -> dict[str, Any]:
        """Return data and layout of a figure with references in place of arrays."""
        spec = figure.to_dict()
        layout = {key: value for key, value in spec["layout"].items() if key != "template"}
        return {"data": self.add(spec["data"]), "layout": self.add(layout)}

    def add(self, value: Any) -> Any:
        """Return a value with references in place of its arrays and long lists."""
        if isinstance(value, np.ndarray):
            value = self._encoded(value)
        if isinstance(value, Mapping):
            if "bdata" in value:
                return self._reference(dict(value))
            return {str(key): self.add(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            items = [self.add(item) for item in value]
            return self._reference(items) if len(items) > SHORT else items
        return plain(value)

    def _encoded(self, array: Any) -> Any:
        """As Plotly writes arrays of numbers; other arrays become lists."""
        dtype = _DTYPES.get(array.dtype.kind, {}).get(array.dtype.itemsize)
        if dtype is None:
            return array.tolist()
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        data = base64.b64encode(little.tobytes()).decode()
        shape = ", ".join(map(str, array.shape))
        return {"dtype": dtype, "bdata": data, **({"shape": shape} if array.ndim > 1 else {})}

    def _reference(self, value: Any) -> dict[str, int]:
        text = json.dumps(value, sort_keys=True)
        if text not in self._keys:
            self._keys[text] = len(self.store)
            self.store.append(value)
        return {"$": self._keys[text]}


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: it cannot end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
