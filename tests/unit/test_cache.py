"""Cached files: made once, whole or not at all, made anew when damaged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from quartier import cache


@pytest.fixture
def calls(tmp_path, monkeypatch):
    monkeypatch.setenv("QUARTIER_CACHE_DIR", str(tmp_path / "cache"))
    return []


def read(path: Path) -> int:
    return int(path.read_text())


def test_a_file_is_made_once(calls):
    def write(path: Path) -> None:
        calls.append(path)
        path.write_text("7")

    assert [cache.cached("a/b", write, read) for _ in range(3)] == [7, 7, 7]
    assert len(calls) == 1
    assert calls[0].parent == cache.folder() / "a"


def test_a_damaged_file_is_made_anew(calls):
    def write(path: Path) -> None:
        path.write_text("7")

    cache.cached("a", write, read)
    (cache.folder() / "a").write_text("no number")
    assert cache.cached("a", write, read) == 7


def test_two_that_make_the_same_file_at_once_do_no_harm(calls):
    both = Barrier(2, timeout=10)

    def write(path: Path) -> None:
        calls.append(path)
        path.write_text("")
        both.wait()  # half written by both
        path.write_text("7")

    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(cache.cached, "a", write, read) for _ in range(2)]
        assert [one.result() for one in made] == [7, 7]
    assert calls[0] != calls[1]
    assert [path.name for path in cache.folder().iterdir()] == ["a"]


def test_a_failure_leaves_nothing(calls):
    def write(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        cache.cached("a", write, read)
    assert not list(cache.folder().iterdir())


def test_a_folder_that_cannot_be_made_is_replaced_for_the_process(tmp_path, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setenv("QUARTIER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert cache.cached("a/b-once", lambda path: path.write_text("7"), read) == 7
    assert not (tmp_path / "cache").exists()


def test_key_names_versions():
    assert cache.key("simbench", "pandas").startswith("simbench-1")
