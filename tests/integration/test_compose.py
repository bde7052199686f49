"""What the container would do, done with the local installation: no engine is needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instruction(name):
    """Value of the last instruction of this name in the Dockerfile."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, flags=re.MULTILINE)[-1]


def test_image_runs_quartier_as_an_ordinary_user():
    assert json.loads(instruction("ENTRYPOINT")) == ["quartier"]
    assert int(instruction("USER")) >= 1000


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_run_folders_end_up_on_the_host(service):
    targets = dict(volume.split(":") for volume in service["volumes"])
    assert targets["./runs"] == f"{instruction('WORKDIR')}/runs"


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_command_of_every_service_works(service, tmp_path):
    short = ["--set", "horizon.steps=4"]
    done = subprocess.run(
        [sys.executable, "-m", "quartier", *service["command"], *short],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (manifest,) = tmp_path.glob("runs/*/*/manifest.json")
    assert json.loads(manifest.read_text())["status"] == "complete"
