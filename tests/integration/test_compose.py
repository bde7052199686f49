"""What the container would do, done with the local installation: no engine is needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .networks import broker, stop

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instruction(name):
    """Value of the last instruction of this name in the Dockerfile."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, flags=re.MULTILINE)[-1]


def test_image_runs_quartier_as_an_ordinary_user():
    assert json.loads(instruction("ENTRYPOINT")) == ["quartier"]
    assert int(instruction("USER")) >= 1000


ALONE = {name: s for name, s in SERVICES.items() if "profiles" not in s}
"""What runs without the others."""
OURS = {name: s for name, s in SERVICES.items() if s["image"] == "quartier"}


@pytest.mark.parametrize("service", OURS.values(), ids=list(OURS))
def test_run_folders_end_up_on_the_host(service):
    targets = dict(volume.split(":") for volume in service["volumes"])
    assert targets["./runs"] == f"{instruction('WORKDIR')}/runs"


def started(service, folder, address="broker:1883"):
    """The command of a service, in a process here."""
    words = [word.replace("broker:1883", address) for word in service["command"]]
    return subprocess.Popen(
        [sys.executable, "-m", "quartier", *words, "--set", "horizon.steps=4"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_complete(folder):
    (manifest,) = folder.glob("runs/*/*/manifest.json")
    return json.loads(manifest.read_text())["status"] == "complete"


@pytest.mark.parametrize("service", ALONE.values(), ids=list(ALONE))
def test_command_of_every_service_works(service, tmp_path):
    process = started(service, tmp_path)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert is_complete(tmp_path)


def test_services_of_the_network_work_together(tmp_path):
    lines = COMPOSE["configs"]["mosquitto"]["content"].splitlines()
    assert lines[:2] == ["listener 1883", "allow_anonymous true"]
    together = [service for service in OURS.values() if service.get("profiles") == ["network"]]
    assert len(together) == 1 + 3  # the orchestrator, and one for each neighbourhood
    with broker(tmp_path / "broker") as mosquitto:
        processes = [started(service, tmp_path, mosquitto.address) for service in together]
        try:
            for process in processes:
                said, _ = process.communicate(timeout=400)
                assert process.returncode == 0, said
        finally:
            stop(*processes)
    assert is_complete(tmp_path)
