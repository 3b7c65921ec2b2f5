"""The manifests: each file is used, and what kustomize makes of them is valid and fits together."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ringback_setup.services import SERVICES

OVERLAYS = ("dev", "production")
VERSION = "1.33"
# Their schemas are published by their operators, not by Kubernetes.
CUSTOM = {"RabbitmqCluster", "ScaledObject", "TriggerAuthentication", "MongoDBCommunity"}
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
# Made by an operator, by cert-manager or by hand: docs/operations.md.
SECRETS_FROM_ELSEWHERE = {*SERVICES, "twilio", "others", "rabbitmq-default-user", "gateway-tls"}
# Pods of operators.
PODS_FROM_ELSEWHERE = (
    {"app.kubernetes.io/name": "rabbitmq"},
    {"app": "mongo-svc", "app.kubernetes.io/name": "mongo"},
)

Manifest = dict[str, Any]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_is_listed(root: Path, overlay: str) -> None:
    """Without kustomize: what no kustomization names is forgotten, what it names and is not there is an error."""
    folder = root / "deploy/k8s"
    used = set(_reached(folder / "overlays" / overlay))
    assert all(path.exists() for path in used)
    shared = {
        path for path in folder.rglob("*.y*ml") if "overlays" not in path.parts and "components" not in path.parts
    }
    own = set((folder / "overlays" / overlay).glob("*.yaml"))
    assert shared | own <= used


def _reached(folder: Path) -> Iterator[Path]:
    folder = folder.resolve()
    yield folder / "kustomization.yaml"
    loaded: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for name in [*loaded.get("resources", []), *loaded.get("components", [])]:
        path = (folder / name).resolve()
        yield from _reached(path) if path.is_dir() else [path]
    yield from (folder / patch["path"] for patch in loaded.get("patches", []) if "path" in patch)


@pytest.fixture(scope="session", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, root: Path) -> list[Manifest]:
    program = _kustomize()
    if program is None:
        pytest.fail("neither kubectl nor kustomize is here")
    command = [*program, str(root / "deploy/k8s/overlays" / request.param)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def _kustomize() -> list[str] | None:
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    return ["kustomize", "build"] if shutil.which("kustomize") else None


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] in kinds]


def named(manifests: list[Manifest], kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in of_kind(manifests, kind)}


def pods(manifests: list[Manifest]) -> list[Manifest]:
    return [one["spec"]["template"] for one in of_kind(manifests, *WORKLOADS)]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def volumes_of(pod: Manifest) -> Iterator[Manifest]:
    for volume in pod["spec"]["volumes"]:
        yield volume
        yield from volume.get("projected", {}).get("sources", [])


@pytest.mark.kubectl
def test_each_is_valid_by_the_published_schema(manifests: list[Manifest]) -> None:
    for one in manifests:
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, VERSION, strict=True)


@pytest.mark.kubectl
def test_a_mistake_would_be_noticed(manifests: list[Manifest]) -> None:
    wrong = of_kind(manifests, "Deployment")[0] | {"spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.kubectl
def test_web_and_worker_of_every_service_are_there(manifests: list[Manifest]) -> None:
    assert named(manifests, "StatefulSet") == {"call-ingest-web"}
    wanted = {f"{service}-{part}" for service in SERVICES for part in ("web", "worker")}
    assert named(manifests, "Deployment") == (wanted | {"gateway"}) - {"call-ingest-web"}
    assert named(manifests, "PodDisruptionBudget") == wanted | {"gateway", "rabbitmq"}
    assert named(manifests, "HorizontalPodAutoscaler") == {f"{service}-web" for service in SERVICES} | {"gateway"}
    assert named(manifests, "Service") == {f"{service}-web" for service in SERVICES} | {"gateway"}
    assert {one["metadata"]["namespace"] for one in manifests if one["kind"] != "Namespace"} == {"ringback"}


@pytest.mark.kubectl
def test_autoscalers_scale_what_is_there(manifests: list[Manifest]) -> None:
    for one in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]
        assert target["name"] in named(manifests, target["kind"])
    for one in of_kind(manifests, "ScaledObject"):
        service = one["metadata"]["name"].removesuffix("-worker")
        assert one["spec"]["scaleTargetRef"]["name"] == f"{service}-worker"
        assert one["spec"]["triggers"][0]["metadata"]["queueName"] == service
        assert one["spec"]["triggers"][0]["authenticationRef"]["name"] in named(manifests, "TriggerAuthentication")
    assert len(of_kind(manifests, "ScaledObject")) == 4


@pytest.mark.kubectl
def test_selectors_choose_the_pods_of_their_name(manifests: list[Manifest]) -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind(manifests, *WORKLOADS)
    }
    for one in of_kind(manifests, "Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
        name, selector = one["metadata"]["name"], one["spec"]["selector"]
        if name == "rabbitmq":
            continue
        wanted = selector.get("matchLabels", selector)
        chosen = {owner for owner, has in labels.items() if wanted.items() <= has.items()}
        assert chosen == {name}, one["kind"]


@pytest.mark.kubectl
def test_network_policies_choose_somebody(manifests: list[Manifest]) -> None:
    there = [pod["metadata"]["labels"] for pod in pods(manifests)] + list(PODS_FROM_ELSEWHERE)
    for one in of_kind(manifests, "NetworkPolicy"):
        selectors = [one["spec"]["podSelector"]]
        rules = [*one["spec"].get("ingress", []), *one["spec"].get("egress", [])]
        peers = [peer for rule in rules for peer in [*rule.get("from", []), *rule.get("to", [])]]
        selectors += [
            peer["podSelector"] for peer in peers if "podSelector" in peer and "namespaceSelector" not in peer
        ]
        for selector in selectors:
            assert any(_chooses(selector, labels) for labels in there), (one["metadata"]["name"], selector)


def _chooses(selector: Manifest, labels: dict[str, str]) -> bool:
    listed = selector.get("matchExpressions", [])
    assert all(rule["operator"] == "In" for rule in listed)
    by_label = selector.get("matchLabels", {}).items() <= labels.items()
    return by_label and all(labels.get(rule["key"]) in rule["values"] for rule in listed)


@pytest.mark.kubectl
def test_nobody_talks_by_default(manifests: list[Manifest]) -> None:
    deny = next(one for one in of_kind(manifests, "NetworkPolicy") if one["metadata"]["name"] == "default-deny")
    assert deny["spec"]["podSelector"] == {}
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny["spec"]


@pytest.mark.kubectl
def test_configuration_and_secrets_are_there(manifests: list[Manifest]) -> None:
    maps = named(manifests, "ConfigMap")
    for pod in pods(manifests):
        for volume in volumes_of(pod):
            assert volume.get("configMap", {}).get("name", "") in maps | {""}
            secret = volume.get("secret", {})
            assert secret.get("secretName", secret.get("name", "twilio")) in SECRETS_FROM_ELSEWHERE
        taken = [source["configMapRef"]["name"] for one in containers(pod) for source in one.get("envFrom", [])]
        assert set(taken) <= maps


@pytest.mark.kubectl
def test_images_have_versions_and_nobody_is_root(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["automountServiceAccountToken"] is False
        for one in containers(pod):
            name, _, tag = one["image"].rpartition(":")
            assert name, one["image"]
            assert tag != "latest"
            assert one["securityContext"]["readOnlyRootFilesystem"] is True
            assert one["securityContext"]["allowPrivilegeEscalation"] is False
            assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert set(one["resources"]) == {"requests", "limits"}


@pytest.mark.kubectl
def test_images_are_the_services_own(manifests: list[Manifest]) -> None:
    for one in of_kind(manifests, "Deployment", "StatefulSet"):
        service = one["metadata"]["labels"]["app.kubernetes.io/name"]
        image = one["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[0].rpartition("/")[2]
        assert image == ("nginx" if service == "gateway" else f"ringback-{service}")


@pytest.mark.kubectl
def test_processes_are_watched_and_have_time_to_end(manifests: list[Manifest]) -> None:
    for one in of_kind(manifests, "Deployment", "StatefulSet"):
        pod = one["spec"]["template"]["spec"]
        main = pod["containers"][0]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(main)
        # An outage of what it depends on restarts nobody.
        assert main["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert pod["terminationGracePeriodSeconds"] >= 45
        assert pod["topologySpreadConstraints"]


@pytest.mark.kubectl
def test_a_web_process_has_no_address_of_the_broker(manifests: list[Manifest]) -> None:
    for one in of_kind(manifests, "Deployment", "StatefulSet"):
        part = one["metadata"]["labels"].get("app.kubernetes.io/component")
        secret = one["spec"]["template"]["spec"]["volumes"][0].get("secret", {})
        keys = {item["key"] for item in secret.get("items", [])}
        if part is not None:
            assert secret["secretName"] == one["metadata"]["labels"]["app.kubernetes.io/name"]
            assert ("bus_url" in keys) is (part == "worker")


@pytest.mark.kubectl
def test_the_spool_is_on_a_volume_of_each_pod(manifests: list[Manifest]) -> None:
    (web,) = of_kind(manifests, "StatefulSet")
    (claim,) = web["spec"]["volumeClaimTemplates"]
    mounts = web["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert {"name": claim["metadata"]["name"], "mountPath": "/var/lib/ringback"} in mounts
    assert web["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.kubectl
def test_the_gateway_is_the_same_as_in_compose(manifests: list[Manifest], root: Path) -> None:
    given = next(
        one
        for one in of_kind(manifests, "ConfigMap")
        if one["metadata"]["name"].startswith("gateway-") and "nginx.conf" in one["data"]
    )
    assert given["data"]["routes.conf"] == (root / "deploy/gateway/routes.conf").read_text()
    assert given["data"]["nginx.conf"] == (root / "deploy/gateway/nginx.conf").read_text()
