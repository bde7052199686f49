"""A follower, as the user declares it: an ordinary Pyomo block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quartier.optimisation import pyo
from quartier.optimisation.bilevel.system import Hint


class Follower:
    """One follower: a block with its constraints, one objective and its own variables.

    The leader's variables stand in the block's expressions like parameters; they may add to
    a constraint and multiply the follower's variables in its objective (prices), not in its
    constraints. Every other active component of the model is the leader's; the leader may use
    the follower's variables anywhere (upper-level, "coupling" constraints).

    Parameters
    ----------
    block
        The active block.
    variables
        The follower's decision variables that are declared outside the block (variables or
        containers of them); those declared inside need not be listed. All their bounds are
        the follower's constraints. Fixed variables are constants.
    name
        For messages and results; by default the block's.
    """

    def __init__(self, block: Any, variables: Iterable[Any] = (), name: str | None = None) -> None:
        self.block = block
        self.name: str = name or block.name
        self.listed = tuple(variables)
        self.hints: list[tuple[Any, Hint]] = []

    def hint(
        self,
        component: Any,
        *,
        dual: float | None = None,
        slack: float | None = None,
        proof: str | None = None,
    ) -> None:
        """State bounds for a constraint or for a variable's bounds; see `Hint`.

        A container passes the hint on to each of its members.
        """
        self.hints.append((component, Hint(dual, slack, proof)))

    def variables(self) -> list[Any]:
        """The follower's free decision variables."""
        declared = self.block.component_data_objects(pyo.Var, active=True, descend_into=True)
        found = {id(v): v for v in declared}
        for entry in self.listed:
            found.update({id(v): v for v in members(entry)})
        return [v for v in found.values() if not v.fixed]


def members(component: Any) -> list[Any]:
    """The data objects of a Pyomo component, indexed or not."""
    if getattr(component, "is_indexed", lambda: False)():
        return list(component.values())
    return [component]
