"""What is installed is what lies in the folders."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAPPED = ("agents", "scenarios", "simulators")
"""Root folders that are installed below ``quartier``."""

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="only in a checkout")


@pytest.fixture(scope="module")
def setuptools():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def packages_below(folder, name):
    inits = folder.glob("**/__init__.py")
    found = [init.parent.relative_to(folder).parts for init in inits]
    return {".".join((name, *parts)) for parts in found if parts[:1] not in [(m,) for m in MAPPED]}


def test_every_package_on_disk_is_in_the_wheel(setuptools):
    on_disk = packages_below(ROOT / "src" / "quartier", "quartier")
    for name in MAPPED:
        on_disk |= packages_below(ROOT / name, f"quartier.{name}")
    assert sorted(on_disk) == setuptools["packages"]


def test_every_folder_with_code_is_a_package():
    for top in (ROOT / "src" / "quartier", *(ROOT / name for name in MAPPED)):
        for file in top.glob("**/*.py"):
            assert (file.parent / "__init__.py").exists(), file


def test_root_folders_are_mapped(setuptools):
    mapping = {f"quartier.{name}": name for name in MAPPED}
    assert setuptools["package-dir"] == {"quartier": "src/quartier", **mapping}


@pytest.mark.parametrize("name", MAPPED)
def test_link_for_the_type_checker_points_to_the_root_folder(name):
    link = ROOT / "src" / "quartier" / name
    if not link.is_symlink():
        pytest.skip("a checkout without symbolic links")
    assert link.readlink() == Path("../..") / name


def test_shipped_data_are_found():
    assert resources.files("quartier.scenarios").joinpath("fliegerhorst/scenario.yaml").is_file()
    assert resources.files("quartier.scenario").joinpath("template.yaml").is_file()
    assert resources.files("quartier").joinpath("py.typed").is_file()
