"""A run that was begun before, and where it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quartier.results.checkpoint import read_checkpoint
from quartier.results.result import Result


@dataclass(frozen=True)
class Begun:
    """What an earlier start of a run left in its folder.

    Parameters
    ----------
    manifest
        Its manifest.
    kept
        Its last checkpoint; empty if there is none: then the run begins anew.
    """

    manifest: Mapping[str, Any]
    kept: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path) -> Begun:
        """Return what lies in a run folder.

        Raises
        ------
        InputError
            If it is no run folder, or its checkpoint is damaged.
        """
        return cls(Result.open(folder).manifest, read_checkpoint(folder) or {})

    @property
    def steps(self) -> int:
        """Steps that need not be executed again."""
        return int(self.kept.get("steps", 0))

    @property
    def parts(self) -> Mapping[str, int]:
        """How many parts each table has of them."""
        parts: Mapping[str, int] = self.kept.get("parts", {})
        return parts

    @property
    def told(self) -> int:
        """Steps whose signals are in the tables."""
        return int(self.kept.get("horizon_steps", 0))

    def fields(self) -> dict[str, Any]:
        """Fields of the manifest that tell of it."""
        now = {
            "from_step": self.steps,
            "was": self.manifest["status"],
            "error": self.manifest.get("error"),
            "at": datetime.now(UTC),
        }
        return {
            "started": self.manifest.get("started"),
            "resumed": [*self.manifest.get("resumed", []), now],
        }
