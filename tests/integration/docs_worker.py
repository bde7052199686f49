"""Runs in a process of its own: the Python of a page, or one command line, in the page's folder.

Started by ``runpy.run_path`` with ``connection`` and ``folder`` among the globals; not a test.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import runpy
import sys
import traceback


def python(code, name, line, namespace):
    """Run a block; errors show the line in the page."""
    exec(compile("\n" * line + code, name, "exec"), namespace)


def pycon(code, name, line, namespace):
    """Run a session as a doctest, whose output must be as shown."""
    test = doctest.DocTestParser().get_doctest(code, namespace, name, name, line)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    told = io.StringIO()
    failed, _ = runner.run(test, out=told.write, clear_globs=False)
    namespace.update(test.globs)
    if failed:
        raise AssertionError(told.getvalue())


def command(arguments, _name, _line, _namespace):
    """Run a command line: ours, or a Python script."""
    sys.argv = list(arguments)
    if arguments[0] == "quartier":
        from quartier.cli import app

        app(prog_name="quartier")
    elif arguments[0] == "python":
        sys.argv = sys.argv[1:]
        runpy.run_path(arguments[1], run_name="__main__")
    else:
        raise ValueError(f"{arguments[0]}: only quartier and python are run here")


TASKS = {"python": python, "pycon": pycon, "command": command}


def answer(task, content, name, line, namespace):
    """Exit code and all that was printed."""
    with io.StringIO() as told:
        code = 0
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            try:
                TASKS[task](content, name, line, namespace)
            except SystemExit as end:
                code = end.code or 0
            except BaseException:
                traceback.print_exc()
                code = 1
        return code, told.getvalue()


def main(connection, folder):
    """Do what is asked until nothing more is."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    os.environ["COLUMNS"] = "110"
    namespace = {"__name__": "__page__"}
    while (asked := connection.recv()) is not None:
        connection.send(answer(*asked, namespace))


if __name__ == "__docs__":
    main(globals()["connection"], globals()["folder"])
