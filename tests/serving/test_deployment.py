"""docs/deployment/: what Kubernetes, systemd and the command itself say of the files.

nginx.conf runs in test_nginx.py.
"""

import configparser
import copy
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml

import jaxrestore
from jaxrestore import errors
from jaxrestore.cli import app
from jaxrestore.serving import settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "deployment"
CONTAINER = re.sub(r"\\\n\s*", "", (FOLDER / "Containerfile").read_text())
UNIT = (FOLDER / "jaxrestore.service").read_text()
KNOWN = settings.Settings(folder=Path("x"))


def served(words):
    """The options of `jaxrestore serve WORDS`, as the command reads them."""
    every: Any = typer.main.get_command(app.app)
    command = every.commands["serve"]
    return command.make_context("serve", [*words]).params


@pytest.fixture
def manifests():
    found = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    return {one["kind"]: one for one in found}


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_knows_every_field(manifests, version):
    assert {*manifests} == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    for one in manifests.values():
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replica"), 2),
        (("spec", "replicas"), "two"),
        (("spec", "template", "spec", "containers", 0, "images"), "x"),
        (("spec", "template", "spec", "securityContext", "runAsRoot"), False),
        (("spec", "selector"), "jaxrestore"),
    ],
)
def test_a_field_that_is_wrong_is_found(manifests, path, value):
    changed = copy.deepcopy(manifests["Deployment"])
    *way, last = path
    home = changed
    for key in way:
        home = home[key]
    home[last] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(changed, "1.37", strict=True)


@pytest.fixture
def pod(manifests):
    return manifests["Deployment"]["spec"]["template"]["spec"]


def test_all_parts_mean_the_same_pods(manifests):
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    spec = {kind: one["spec"] for kind, one in manifests.items()}
    assert spec["Deployment"]["selector"]["matchLabels"] == labels
    assert spec["Service"]["selector"] == labels
    assert spec["PodDisruptionBudget"]["selector"]["matchLabels"] == labels
    assert spec["NetworkPolicy"]["podSelector"]["matchLabels"] == labels
    assert spec["NetworkPolicy"]["egress"] == []
    assert spec["Service"]["sessionAffinity"] == "ClientIP"
    assert len({one["metadata"]["name"] for one in manifests.values()}) == 1
    (container,) = spec["Deployment"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert port["containerPort"] == KNOWN.port
    assert spec["Service"]["ports"][0]["targetPort"] == port["name"]


def test_a_pod_may_do_nothing_but_serve(pod):
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert {one["name"] for one in mounts.values()} == {*volumes}
    writable = {path for path, one in mounts.items() if not one.get("readOnly")}
    assert writable == {"/var/lib/jaxrestore", "/tmp"}
    room = volumes["state"]["emptyDir"]["sizeLimit"].removesuffix("Gi")
    assert int(room) * 2**30 >= KNOWN.max_spool + KNOWN.least_free


def test_a_pod_is_given_the_time_that_its_jobs_have(pod):
    (container,) = pod["containers"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    # Of the app's own: answers that are under way when all jobs have ended.
    assert pod["terminationGracePeriodSeconds"] >= before + KNOWN.drain_s + 10
    assert (
        container["startupProbe"]["httpGet"] == container["readinessProbe"]["httpGet"]
    )
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        asked = container[probe]["httpGet"]
        assert asked["path"] == path
        (header,) = asked["httpHeaders"]
        assert header["name"] == "Host" and header["value"] in KNOWN.hosts


def test_a_pod_is_started_with_options_that_there_are(pod):
    (container,) = pod["containers"]
    given = served(["--folder", "/var/lib/jaxrestore", *container["args"]])
    assert given["host"] == "0.0.0.0" and given["secure"]
    assert given["name"] == ["restore.example.com"]
    secret = next(v["secret"] for v in pod["volumes"] if "secret" in v)
    assert given["tokens_file"] == Path("/etc/jaxrestore/tokens")
    assert secret["secretName"] == "jaxrestore"


def instructions(name):
    return re.findall(rf"^{name} (.*)$", CONTAINER, re.MULTILINE)


def test_an_image_is_not_root_and_starts_with_options_that_there_are(pod):
    assert len(instructions("FROM")) == 2
    assert len({line.removesuffix(" AS build") for line in instructions("FROM")}) == 1
    (user,) = instructions("USER")
    uid = pod["securityContext"]["runAsUser"]
    assert user == f"{uid}:{uid}" and f"--uid {uid}" in CONTAINER
    assert CONTAINER.index("USER ") < CONTAINER.index("ENTRYPOINT ")
    program, *words = json.loads(instructions("ENTRYPOINT")[0])
    assert (program, words[0]) == ("jaxrestore", "serve")
    given = served([*words[1:], *json.loads(instructions("CMD")[0])])
    assert given["folder"] == Path("/var/lib/jaxrestore")
    assert given["tokens_file"] == Path("/etc/jaxrestore/tokens")
    assert instructions("EXPOSE") == [str(KNOWN.port)]
    assert f"http://127.0.0.1:{KNOWN.port}/healthz" in instructions("HEALTHCHECK")[0]


def test_an_image_has_the_extra_and_the_version_that_there_are(pod):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (extra,) = re.findall(r"'\.\[(\w+)\]'", CONTAINER)
    assert extra in project["project"]["optional-dependencies"]
    images = [pod["containers"][0]["image"], *re.findall(r"-t (\S+)", CONTAINER)]
    assert len(images) == 2
    assert {one.rpartition(":")[2] for one in images} == {jaxrestore.__version__}
    (python,) = {re.search(r"python:(\S+)-slim", f)[1] for f in instructions("FROM")}
    least = project["project"]["requires-python"].removeprefix(">=")
    assert [*map(int, python.split("."))] >= [*map(int, least.split("."))]


def unit():
    """The sections of the service file; of a key that comes twice the last one."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign]
    parser.read_string(re.sub(r"\\\n\s*", "", UNIT))
    return parser


def test_a_service_is_started_with_options_that_there_are():
    service = unit()["Service"]
    program, command, *words = shlex.split(service["ExecStart"])
    assert program.endswith("/bin/jaxrestore") and command == "serve"
    given = served(words)
    site = (FOLDER / "nginx.conf").read_text()
    assert f"server unix:{given['socket']};" in site
    assert given["socket"].parent == Path("/run") / service["RuntimeDirectory"]
    assert given["folder"] == Path("/var/lib") / service["StateDirectory"]
    assert f"server_name {given['name'][0]};" in site
    assert int(service["TimeoutStopSec"]) >= KNOWN.drain_s + 10
    assert service["KillMode"] == "mixed"  # the engine is the server's to end
    ended = errors.Interrupted("ended", signal.SIGTERM)
    assert service["SuccessExitStatus"] == str(ended.exit_code)


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)
def test_systemd_reads_the_service_and_finds_little_that_is_open(tmp_path):
    place = tmp_path / "jaxrestore.service"
    # It looks for the program, which is not installed here.
    place.write_text(UNIT.replace("/opt/jaxrestore/bin/jaxrestore", sys.executable))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", place],
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0 and not verified.stderr, verified.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=10", place],
        capture_output=True,
        text=True,
    )
    assert judged.returncode == 0, judged.stdout[-300:]
