"""What is installed is what lies in the folders."""

import tomllib
from importlib import resources
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

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


def locked(name):
    """Versions in a lock file, by package."""
    lines = [line.split(";")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(package): Version(version) for package, version in pairs}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-lowest.lock"])
def test_locked_versions_are_what_pyproject_asks_for_from_end_to_end(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    if "lowest" in name:
        extras = {key: extras[key] for key in ("xarray", "test")}
    wanted = map(Requirement, [*project["dependencies"], *chain(*extras.values())])
    found = locked(name)
    for one in (each for each in wanted if each.name != "quartier"):
        assert found[canonicalize_name(one.name)] in one.specifier, one
        assert {spec.operator for spec in one.specifier} & {"<", "~="}, f"{one} has no upper end"
        if "lowest" in name:
            ends = (Version(s.version) for s in one.specifier if s.operator in (">=", "~="))
            least = next(ends).release
            assert found[canonicalize_name(one.name)].release[: len(least)] == least, one
