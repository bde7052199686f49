"""Hypervolume, SMS-EMOA's selection and the choice of a point, against what can be counted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quartier.pareto import BEYOND_NADIR, Scale, efficient, hypervolume, knee, select

UNIT = Scale(np.zeros(3), np.ones(3))
REFERENCE = 1 + BEYOND_NADIR


def fronts(most):
    shapes = st.tuples(st.integers(1, most), st.just(3))
    return arrays(float, shapes, elements=st.floats(0, 1, width=16))


def counted(points):
    """Volume of the union of boxes by inclusion and exclusion."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for some in itertools.combinations(points, size):
            total -= (-1) ** size * float(np.prod(REFERENCE - np.max(some, axis=0)))
    return total / REFERENCE**3


@given(fronts(6))
def test_hypervolume_is_the_volume_of_the_union_of_boxes(points):
    assert hypervolume(points, UNIT) == pytest.approx(counted(points), abs=1e-9)


def test_hypervolume_of_the_ideal_is_one_and_of_nothing_is_none():
    assert hypervolume(np.zeros((1, 3)), UNIT) == pytest.approx(1.0)
    assert hypervolume(np.zeros((0, 3)), UNIT) == 0.0
    assert hypervolume(np.full((1, 3), 2.0), UNIT) == 0.0


def test_hypervolume_does_not_depend_on_units():
    points = np.random.default_rng(1).random((10, 3))
    factors, shift = np.array([1.0, 30.0, 1e5]), np.array([-2e3, 0.0, 7.0])
    scale = Scale(shift, shift + factors)
    assert hypervolume(points * factors + shift, scale) == pytest.approx(hypervolume(points, UNIT))


@given(fronts(30), st.integers(3, 10))
def test_selection_keeps_the_best_in_each_objective(points, count):
    kept = points[select(points, count, UNIT)]
    assert len(kept) <= count
    np.testing.assert_allclose(kept.min(axis=0), points.min(axis=0), atol=1e-6)


@given(fronts(30), st.integers(3, 10))
def test_selected_points_do_not_dominate_each_other(points, count):
    kept = points[select(points, count, UNIT)]
    for one, other in itertools.permutations(kept, 2):
        assert not ((one <= other - 1e-5).all())


def dtlz1(count):
    """Points of the front of DTLZ1 (scaled to a sum of 1), evenly spread."""
    steps = [p for p in itertools.product(range(count + 1), repeat=3) if sum(p) == count]
    return np.array(steps) / count


def test_selection_takes_little_from_the_front_of_dtlz1():
    """91 points on a plane of known volume; 28 well spread ones have nearly as much."""
    points = dtlz1(12)
    whole = (REFERENCE**3 - 1 / 6) / REFERENCE**3  # below the plane: a sixth of the unit cube
    kept = select(points, 28, UNIT)
    assert hypervolume(points, UNIT) < whole
    assert hypervolume(points[kept], UNIT) > 0.95 * hypervolume(points, UNIT)
    assert hypervolume(points[kept], UNIT) > hypervolume(dtlz1(6), UNIT) - 0.01


def test_of_equal_points_one_is_efficient():
    points = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.6, 0.5, 0.5], [0.4, 0.6, 0.5]])
    assert efficient(points, UNIT).tolist() == [0, 3]


def test_knee_is_the_point_whose_worst_is_best():
    points = np.array([[0.0, 0.0, 1.0], [0.3, 0.4, 0.4], [0.3, 0.4, 0.3], [0.2, 0.5, 0.1]])
    assert knee(points, UNIT) == 2
