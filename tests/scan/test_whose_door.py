"""What an ingress asks of its callers is read from the annotations of the controller that serves it, and from what its services name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.clusters import cluster, crd, scan, thing, verdicts

Json = dict[str, Any]
NETWORKING = "networking.k8s.io/v1"
DASHBOARD = "kubernetes.gateway.dashboards_authenticated"
NGINX = {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.com"}
ALB = "alb.ingress.kubernetes.io"


def ingress(class_name: str = "nginx", annotations: Json | None = None, port: Json | None = None, *, by_field: bool = True) -> Json:
    backend = {"service": {"name": "grafana", "port": port or {"number": 80}}}
    spec: Json = {"rules": [{"host": "grafana.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}
    marks = dict(annotations or {})
    if by_field:
        spec["ingressClassName"] = class_name
    else:
        marks["kubernetes.io/ingress.class"] = class_name
    return thing("Ingress", "grafana", "watch", api=NETWORKING, metadata={"annotations": marks}, spec=spec)


def named(name: str, controller: str) -> Json:
    return thing("IngressClass", name, api=NETWORKING, spec={"controller": controller})


def service(annotations: Json | None = None) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": 3000}, {"name": "metrics", "port": 9090, "targetPort": 9090}]
    return thing(
        "Service",
        "grafana",
        "watch",
        metadata={"annotations": annotations or {}},
        spec={"type": "NodePort", "selector": {"app": "g"}, "ports": ports},
    )


def judged(tmp_path: Path, *objects: Json, rule: str = DASHBOARD) -> str:
    with ClusterBed(cluster(*objects)) as bed, scan(bed, tmp_path, rules=[rule]) as done:
        return next(verdict for verdict, _ in verdicts(done).values())


@pytest.mark.parametrize(
    ("controller", "annotations", "expected"),
    [
        ("k8s.io/ingress-nginx", {}, "fail"),
        ("k8s.io/ingress-nginx", NGINX, "pass"),
        ("k8s.io/internal-ingress-nginx", {}, "fail"),
        ("example.com/ingress-nginx-2", NGINX, "pass"),
        ("webapprouting.kubernetes.azure.com/nginx", {}, "fail"),
        ("nginx.org/ingress-controller", {}, "unknown"),
        ("nginx.org/ingress-controller", NGINX, "unknown"),
        ("haproxy.org/ingress-controller", {}, "unknown"),
    ],
)
def test_a_class_called_nginx_is_what_its_controller_is(tmp_path: Path, controller: str, annotations: Json, expected: str) -> None:
    assert judged(tmp_path, named("nginx", controller), ingress(annotations=annotations), service()) == expected


def test_without_its_class_the_name_tells_unless_the_annotations_are_of_another(tmp_path: Path) -> None:
    assert judged(tmp_path, ingress(by_field=False), service()) == "fail"
    assert judged(tmp_path, ingress(annotations={"nginx.org/basic-auth-secret": "x"}, by_field=False), service()) == "unknown"


@pytest.mark.parametrize(
    ("config", "port", "expected"),
    [
        ({"default": "asks"}, {"number": 80}, "pass"),
        ({"ports": {"80": "asks"}}, {"number": 80}, "pass"),
        ({"ports": {"http": "asks"}}, {"number": 80}, "pass"),
        ({"ports": {"80": "asks"}}, {"name": "http"}, "pass"),
        ({"ports": {"9090": "asks"}}, {"number": 80}, "fail"),
        ({"ports": {"80": "open"}, "default": "asks"}, {"number": 80}, "fail"),
        ({"ports": {"9090": "open"}, "default": "asks"}, {"number": 80}, "pass"),
        ({}, {"number": 80}, "fail"),
    ],
)
def test_a_backend_config_holds_for_the_port_that_it_names(tmp_path: Path, config: Json, port: Json, expected: str) -> None:
    kinds = crd("backendconfigs", "BackendConfig", "v1", group="cloud.google.com")
    configs = [
        thing("BackendConfig", name, "watch", api="cloud.google.com/v1", spec={"iap": {"enabled": on}})
        for name, on in (("asks", True), ("open", False))
    ]
    marks = {"cloud.google.com/backend-config": json.dumps(config)} if config else {}
    assert judged(tmp_path, kinds, *configs, service(marks), ingress("gce", by_field=False, port=port)) == expected


def test_the_service_may_say_how_a_balancer_asks(tmp_path: Path) -> None:
    alb = named("alb", "ingress.k8s.aws/alb")
    outside = {f"{ALB}/scheme": "internet-facing"}
    assert judged(tmp_path, alb, service(), ingress("alb", outside)) == "fail"
    assert judged(tmp_path, alb, service({f"{ALB}/auth-type": "oidc"}), ingress("alb", outside)) == "unknown"


def test_an_action_of_a_balancer_is_no_service(tmp_path: Path) -> None:
    alb = named("alb", "ingress.k8s.aws/alb")
    door = ingress("alb", {f"{ALB}/actions.grafana": "{}"}, {"name": "use-annotation"})
    door["spec"]["rules"].append(
        {"http": {"paths": [{"path": "/x", "pathType": "Prefix", "backend": {"service": {"name": "there", "port": {"number": 80}}}}]}}
    )
    there = thing("Service", "there", "watch", spec={"ports": [{"port": 80}]})
    assert judged(tmp_path, alb, door, there, rule="kubernetes.networking.ingress_backend_exists") == "pass"


def balancer(name: str, address: str, annotations: Json | None = None) -> Json:
    more = {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 443}]}
    return thing(
        "Service",
        name,
        "doors",
        metadata={"annotations": annotations or {}},
        spec=more,
        status={"loadBalancer": {"ingress": [{"hostname": address}]}},
    )


@pytest.mark.parametrize(
    ("address", "expected"), [("outside.example.com", "fail"), ("inside.example.com", "not_applicable"), ("elsewhere.example.com", "fail")]
)
def test_where_an_ingress_faces_is_told_by_the_service_that_has_its_address(tmp_path: Path, address: str, expected: str) -> None:
    outside = balancer("outside", "outside.example.com", {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"})
    inside = balancer("inside", "inside.example.com", {"service.beta.kubernetes.io/aws-load-balancer-internal": "true"})
    door = ingress() | {"status": {"loadBalancer": {"ingress": [{"hostname": address}]}}}
    assert judged(tmp_path, named("nginx", "k8s.io/ingress-nginx"), outside, inside, door) == expected
