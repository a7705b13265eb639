"""Services as doors: what answers behind them decides, by the ports of their pods, what these are called, and their programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cnamm_scan.model import Reason
from cnamm_scan.providers.kubernetes.made.services import POD, SERVICE, service_doors
from tests.providers.kubernetes.made.given import Seen

Json = Any


def told(
    port: Json, *pods: Json, kind: str = "LoadBalancer", selector: Json = None, missing: Mapping[str, frozenset[str]] | None = None
) -> Mapping[str, Any]:
    """The row of one service before these pods."""
    service = {
        "namespace": "shop", "name": "web", "labels": {}, "is_system": False, "type": kind,
        "selector": {"app": "web"} if selector is None else selector,
        "ports": [str(port["port"])], "port_specs": [port], "external_ips": [], "source_ranges": [], "annotations": {},
        "load_balancer_class": "", "addresses": [], "is_exposed": True,
    }  # fmt: skip
    tables = {SERVICE: {"shop/web": service}, POD: {str(number): each for number, each in enumerate(pods)}}
    (row,) = service_doors(Seen(tables, missing or {}, {}))
    return row.values


def pod(image: str, *ports: int, names: Mapping[str, int] | None = None) -> Json:
    named = [{"name": name, "containerPort": number} for name, number in (names or {}).items()]
    listens = [{"image": image, "ports": [*ports, *(names or {}).values()]}]
    return {"namespace": "shop", "labels": {"app": "web", "x": "y"}, "named_ports": named, "listeners": listens}


WEB = pod("acme/web", 3000, 8080)


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
@pytest.mark.parametrize(
    ("port", "behind", "opened"),
    [
        ({"port": 22, "targetPort": 22}, pod("acme/jump", 22), "remote_administration"),
        ({"port": 80, "targetPort": 22}, pod("acme/jump", 22), "remote_administration"),
        ({"port": 80, "targetPort": "ssh"}, pod("acme/jump", names={"ssh": 2222}), "remote_administration"),
        ({"port": 80, "targetPort": "admin"}, pod("acme/jump", names={"admin": 22}), "remote_administration"),
        ({"port": 15432, "targetPort": 15432}, pod("bitnami/postgresql", 15432), "databases"),
        ({"port": 3000, "targetPort": 3000}, pod("grafana/grafana", 3000), "dashboards"),
        ({"port": 443, "targetPort": 9090}, pod("prom/prometheus"), "dashboards"),
        ({"port": 6443, "targetPort": 6443}, pod("acme/web", 6443), "cluster_control"),
        ({"port": 8200, "targetPort": 8200}, pod("hashicorp/vault", 8200), "cluster_control"),
        ({"port": 9093, "targetPort": 9093}, pod("bitnami/kafka", 9093), "message_brokers"),
        ({"port": 5601, "targetPort": 5601}, pod("kibana/kibana", 5601), "dashboards"),
    ],
)
def test_what_answers_behind_a_door_is_told(kind: str, port: Json, behind: Json, opened: str) -> None:
    made = told(port, behind, kind=kind)
    assert made[f"opens_{opened}"] is True
    assert opened in made["lists"]


def test_a_nodes_port_leads_to_what_listens_and_not_to_the_services_own_number() -> None:
    port = {"port": 22, "targetPort": 8080, "nodePort": 30022}
    assert told(port, WEB, kind="NodePort")["lists"] == []
    assert told(port, WEB, kind="NodePort")["opens_remote_administration"] is False
    assert told(port, WEB, kind="LoadBalancer")["opens_remote_administration"] is True  # callers use this number


@pytest.mark.parametrize("number", [3000, 5000, 5601, 8000, 8086, 8200, 8888, 9000, 9090, 9093, 9097, 10000, 50000])
def test_numbers_that_web_applications_use_by_habit_say_nothing_by_themselves(number: int) -> None:
    port = {"port": number, "targetPort": number}
    made = told(port, pod("acme/web", number))
    assert made["lists"] == []
    assert not any(value for name, value in made.items() if name.startswith("opens_"))
    assert None not in made.values()
    # what nobody saw may be the console that the number is known for
    unseen = told(port, missing={POD: frozenset({"denied"})})
    assert unseen["lists"] == []
    assert None in unseen.values()


def test_ports_of_the_web_are_known_as_such() -> None:
    assert told({"port": 443, "targetPort": 8443}, WEB)["is_web"] is True
    assert told({"port": 443, "targetPort": 4711}, WEB)["is_web"] is False
    assert told({"port": 4711, "targetPort": 8080}, WEB, kind="NodePort")["is_web"] is True
    assert told({"port": 443, "targetPort": "x"}, missing={POD: frozenset({"denied"})})["is_web"] is None


def test_a_program_beside_the_one_that_answers_says_nothing() -> None:
    both = {**WEB, "listeners": [{"image": "acme/web", "ports": [8080]}, {"image": "library/redis", "ports": [6379]}]}
    assert told({"port": 80, "targetPort": 8080}, both)["lists"] == []
    assert told({"port": 80, "targetPort": 6379}, both)["lists"] == ["caches"]


def test_of_two_programs_that_name_no_port_either_may_answer() -> None:
    both = {**WEB, "listeners": [{"image": "acme/web", "ports": []}, {"image": "library/redis", "ports": []}]}
    made = told({"port": 80, "targetPort": 8080}, both)
    assert made["lists"] == []
    assert (made["opens_caches"], made["opens_databases"]) == (None, False)
    assert told({"port": 80, "targetPort": 8080}, pod("library/redis"))["lists"] == ["caches"]


def test_pods_that_were_found_speak_for_others_of_their_selector() -> None:
    dark = {POD: frozenset({Reason.NOT_IN_MANIFESTS.value})}
    made = told({"port": 80, "targetPort": "db"}, pod("library/postgres", names={"db": 5432}), missing=dark)
    assert (made["opens_databases"], made["programs"], made["target_ports"]) == (True, ["library/postgres"], ["80", "5432"])
    nobody = told({"port": 80, "targetPort": 8080}, missing=dark)
    assert (nobody["opens_databases"], nobody["programs"]) == (False, [])  # its own manifests say what it is for
    denied = told({"port": 80, "targetPort": 8080}, missing={POD: frozenset({"denied"})})
    assert (denied["opens_databases"], denied["opens_industrial"], denied["programs"]) == (None, False, None)
    unread = told({"port": 80, "targetPort": 8080}, {**WEB, "listeners": None})
    assert (unread["opens_databases"], unread["programs"]) == (None, None)


def test_a_service_without_a_selector_picks_no_pod() -> None:
    made = told({"port": 80, "targetPort": "db"}, pod("library/postgres", names={"db": 5432}), selector={})
    assert made["opens_databases"] is None
    assert made["target_ports"] is None


@pytest.mark.parametrize("image", ["quay.io/x/postgres-exporter", "acme/mysql-client", "grafana/agent", "hashicorp/vault-k8s", "acme/web"])
def test_helpers_of_programs_are_none_of_them(image: str) -> None:
    assert told({"port": 80, "targetPort": 8080}, pod(image, 8080))["lists"] == []
