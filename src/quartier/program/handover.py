"""Handing a program over to HiGHS and taking it back."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from quartier.program.arrays import Arrays


def made() -> Any:
    """HiGHS without a program."""
    _greet()
    return highspy.Highs()  # type: ignore[no-untyped-call]


def give(highs: Any, arrays: Arrays) -> None:
    """Pass a program."""
    highs.passModel(_lp_of(arrays))
    if arrays.quadratic:
        _pass_hessian(highs, arrays)


def default(option: str) -> Any:
    """What HiGHS sets an option to by itself."""
    _, value = highspy.Highs().getOptionValue(option)  # type: ignore[no-untyped-call]
    return value


@cache
def _greet() -> None:
    """Let HiGHS print its banner to nowhere: 1.16 does so when first made, whatever its options."""
    try:
        kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return  # there is no standard output to keep clean
    sys.stdout.flush()
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()  # type: ignore[no-untyped-call]
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _lp_of(arrays: Arrays) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    matrix = sparse.csc_array(arrays.matrix)
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.offset_ = arrays.cost, arrays.offset
    lp.col_lower_, lp.col_upper_ = arrays.lower, arrays.upper
    lp.row_lower_, lp.row_upper_ = arrays.row_lower, arrays.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data.astype(float)
    if arrays.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in arrays.integer]
    return lp


def _pass_hessian(highs: Any, arrays: Arrays) -> None:
    """HiGHS minimises ``½ xᵀQx``; products are given as they stand in the objective."""
    entries = sorted(
        (min(i, j), max(i, j), 2.0 * h if i == j else h) for (i, j), h in arrays.quadratic.items()
    )
    starts = np.searchsorted([entry[0] for entry in entries], np.arange(arrays.size))
    highs.passHessian(
        arrays.size,
        len(entries),
        highspy.HessianFormat.kTriangular,
        starts.astype(np.int32),
        np.array([entry[1] for entry in entries], dtype=np.int32),
        np.array([entry[2] for entry in entries], dtype=float),
    )


def taken(highs: Any, arrays: Arrays) -> Arrays:
    """The program inside HiGHS as it stands now; what cannot change is as in ``arrays``."""
    lp = highs.getLp()
    body, shape = lp.a_matrix_, (lp.num_row_, lp.num_col_)
    entries = (np.array(body.value_), np.array(body.index_), np.array(body.start_))
    by_column = body.format_ == highspy.MatrixFormat.kColwise
    return Arrays(
        cost=np.array(lp.col_cost_),
        lower=np.array(lp.col_lower_),
        upper=np.array(lp.col_upper_),
        integer=arrays.integer,
        matrix=sparse.csr_array(
            sparse.csc_array(entries, shape) if by_column else sparse.csr_array(entries, shape)
        ),
        row_lower=np.array(lp.row_lower_),
        row_upper=np.array(lp.row_upper_),
        offset=lp.offset_,
        quadratic=arrays.quadratic,
        names=arrays.names,
    )
