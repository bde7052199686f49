"""The package itself: quick to import, and ``quartier.run`` always a function."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import quartier


def python(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "imports",
    [
        "import quartier",
        "import quartier, quartier.run",
        "import quartier; from quartier.run import run",
        "import quartier; import importlib; importlib.import_module('quartier.run')",
        "import quartier, quartier.compare",
    ],
)
def test_run_and_compare_are_functions_whatever_has_been_imported(imports):
    assert python(f"{imports}; print(type(quartier.run), type(quartier.compare))") == (
        "<class 'function'> <class 'function'>\n"
    )


def test_run_stays_a_function_after_it_was_called():
    code = (
        "import quartier\n"
        "for _ in range(2):\n"
        "    try: quartier.run('no-such-scenario')\n"
        "    except quartier.InputError: print('called')"
    )
    assert python(code) == "called\ncalled\n"


def test_import_is_quick_because_nothing_heavy_comes_with_it():
    code = "import sys, quartier; print([m for m in ('numpy', 'pandas') if m in sys.modules])"
    assert python(code) == "[]\n"


def test_names_that_are_imported_late():
    assert quartier.__version__ == version("quartier")
    assert quartier.Comparison.__module__ == "quartier.results.comparison"
    assert quartier.Result.__module__ == "quartier.results.result"
    with pytest.raises(AttributeError, match="no attribute 'compare_all'"):
        _ = quartier.compare_all
