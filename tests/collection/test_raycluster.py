"""docs/raycluster.yaml against what KubeRay 1.7 and Kubernetes say of its fields.

Of the schema of `ray.io/v1` and of a pod's, the fields that such a file may use, with
their types and those that must be there: neither a cluster nor a network is asked.
"""

import copy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXTS = {"*": str}  # any keys
ENV = {"name!": str, "value": str, "valueFrom": dict}
CONTAINER = {
    "name!": str,
    "image": str,
    "args": [str],
    "command": [str],
    "env": [ENV],
    "resources": {"limits": TEXTS, "requests": TEXTS},
    "ports": [{"name": str, "containerPort!": int}],
    "volumeMounts": [
        {"name!": str, "mountPath!": str, "readOnly": bool, "subPath": str}
    ],
}
VOLUME = {
    "name!": str,
    "persistentVolumeClaim": {"claimName!": str, "readOnly": bool},
    "emptyDir": {"medium": str, "sizeLimit": str},
}
POD = {
    "metadata": {"labels": TEXTS, "annotations": TEXTS},
    "spec": {
        "containers!": [CONTAINER],
        "volumes": [VOLUME],
        "nodeSelector": TEXTS,
        "serviceAccountName": str,
    },
}
CLUSTER = {
    "apiVersion!": str,
    "kind!": str,
    "metadata!": {"name!": str, "namespace": str, "labels": TEXTS},
    "spec!": {
        "rayVersion": str,
        "authOptions": {"mode": str, "secretName": str, "enableK8sTokenAuth": bool},
        "enableInTreeAutoscaling": bool,
        "suspend": bool,
        "headGroupSpec!": {
            "rayStartParams": TEXTS,
            "serviceType": str,
            "template!": POD,
        },
        "workerGroupSpecs": [
            {
                "groupName!": str,
                "replicas": int,
                "minReplicas!": int,
                "maxReplicas!": int,
                "numOfHosts": int,
                "rayStartParams": TEXTS,
                "template!": POD,
            }
        ],
    },
}


def complaints(value, schema, place=""):
    """Where a value has other types or fields than its schema."""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{place} is no list"]
        return [
            line
            for n, one in enumerate(value)
            for line in complaints(one, schema[0], f"{place}[{n}]")
        ]
    if not isinstance(schema, dict):
        return [] if type(value) is schema else [f"{place} is no {schema.__name__}"]
    if not isinstance(value, dict):
        return [f"{place} has no fields"]
    known = {key.removesuffix("!"): (key, of) for key, of in schema.items()}
    found = [
        f"{place}.{key} is missing"
        for key, (marked, _) in known.items()
        if marked.endswith("!") and key not in value
    ]
    for key, one in value.items():
        if key not in known and "*" not in known:
            found.append(f"{place}.{key} is not known")
        else:
            _, of = known.get(key) or known["*"]
            found += complaints(one, of, f"{place}.{key}")
    return found


@pytest.fixture
def manifest():
    return yaml.safe_load((ROOT / "docs" / "raycluster.yaml").read_text())


def _pods(manifest):
    spec = manifest["spec"]
    yield spec["headGroupSpec"]["template"]["spec"]
    yield from (group["template"]["spec"] for group in spec["workerGroupSpecs"])


def test_the_manifest_has_the_fields_of_a_ray_cluster(manifest):
    assert complaints(manifest, CLUSTER) == []
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayCluster")


def test_the_manifest_asks_for_the_token_and_shares_the_pictures(manifest):
    assert manifest["spec"]["authOptions"]["mode"] == "token"
    pods = [*_pods(manifest)]
    assert len(pods) == 2
    for pod in pods:
        (container,) = pod["containers"]
        (mount,) = container["volumeMounts"]
        assert mount["mountPath"] == "/pictures"
        assert mount["name"] in {volume["name"] for volume in pod["volumes"]}
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
    assert len({pod["containers"][0]["image"] for pod in pods}) == 1


def test_the_manifest_has_the_ray_of_the_extra(manifest):
    project = (ROOT / "pyproject.toml").read_text()
    version = manifest["spec"]["rayVersion"].rpartition(".")[0]
    assert f'ray = ["ray[data]>={version}"]' in project


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("spec", "rayVersion"), 2.6, ".spec.rayVersion is no str"),
        (("spec", "authOption"), {}, ".spec.authOption is not known"),
        (("spec", "headGroupSpec"), None, ".spec.headGroupSpec has no fields"),
        (("spec", "workerGroupSpecs"), {}, ".spec.workerGroupSpecs is no list"),
        (
            ("spec", "headGroupSpec", "rayStartParams", "num-cpus"),
            0,
            ".spec.headGroupSpec.rayStartParams.num-cpus is no str",
        ),
        (
            ("spec", "workerGroupSpecs", 0, "template", "spec"),
            {},
            ".spec.workerGroupSpecs[0].template.spec.containers is missing",
        ),
    ],
)
def test_a_field_that_is_wrong_is_found(manifest, place, value, complaint):
    changed = copy.deepcopy(manifest)
    *path, last = place
    home = changed
    for key in path:
        home = home[key]
    home[last] = value
    assert complaint in complaints(changed, CLUSTER)
