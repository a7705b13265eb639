"""Fixes run as they are copied: each command goes through the vendor's own parser, filled in from a row that the rule fails.

AWS: the AWS command line itself reads it, checks names, types and required parameters, and stops short of sending. Kubernetes: kubectl
applies the patch to an object at hand, or knows the verb and every flag.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cnamm_scan import content as reader
from cnamm_scan.model import Rule
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.text import command, safe
from tests.kubectl import kubectl

REGION = "eu-west-1"
Run = Callable[[Sequence[str]], tuple[int, str]]


def _filled(rule: Rule) -> dict[str, Any]:
    """What a finding of the rule's first failing case would fill a template with."""
    row = {**rule.tests.given, **rule.tests.fail[0]}
    parameters = {name: parameter.default for name, parameter in rule.parameters.items()}
    return {"key": "test", "region": REGION, "target": f"{rule.provider}:test", **parameters, **row}


def _by_service(provider: str) -> Mapping[str, list[Rule]]:
    found: dict[str, list[Rule]] = defaultdict(list)
    for rule in reader.load([]).rules.values():
        if rule.provider == provider or (rule.provider == "estate" and rule.id.startswith(f"{provider}.")):
            found[rule.id.split(".")[1]].append(rule)
    return found


@pytest.fixture(scope="module")
def aws() -> Iterator[Run]:
    """The AWS command line, which is stopped before it sends."""
    from awscli.clidriver import create_clidriver

    class Answered:
        status_code = 200

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_DEFAULT_REGION": REGION,
        }.items():
            patch.setenv(name, value)

        def fresh() -> Any:
            made = create_clidriver()
            made.session.get_component("event_emitter").register_first("before-call", lambda **_: (Answered(), {}))
            return made

        def once(words: Sequence[str]) -> tuple[int, str]:
            said = io.StringIO()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                try:
                    code = drivers[-1].main(list(words))
                except SystemExit as left:
                    code = int(left.code or 0)
            return code, said.getvalue()

        drivers = [fresh()]

        def run(words: Sequence[str]) -> tuple[int, str]:
            """What checks `--no-…` of one operation stays on and trips over the next: what is refused is asked of a fresh one."""
            answer = once(words)
            if answer[0]:
                drivers.append(fresh())
                answer = once(words)
            return answer

        yield run


@pytest.mark.parametrize("service", sorted(_by_service("aws")))
def test_an_aws_command_is_one_that_the_command_line_takes(service: str, aws: Run) -> None:
    wrong = {}
    for rule in _by_service("aws")[service]:
        for template in rule.fix.cli:
            text = command(template, _filled(rule), rule.fix.region_flag)
            code, said = aws(shlex.split(text)[1:])
            if code:
                wrong[rule.id] = f"{text}: {said.strip()[-300:]}"
    assert wrong == {}


def test_a_wrong_command_is_told_from_a_right_one(aws: Run) -> None:
    assert aws(["kms", "enable-key-rotation", "--key-id", "k"])[0] == 0
    assert "--key-id" in aws(["kms", "enable-key-rotation"])[1]
    assert aws(["kms", "turn-keys", "--key-id", "k"])[0]
    assert aws(["rds", "modify-db-instance", "--db-instance-identifier", "x", "--backup-retention-period", "DAYS"])[0]
    assert aws(["s3api", "put-public-access-block", "--bucket", "b", "--public-access-block-configuration", "BlockPublicAcls=yes"])[0]


KINDS_OF = {
    "deployment": ("apps/v1", "Deployment"),
    "statefulset": ("apps/v1", "StatefulSet"),
    "daemonset": ("apps/v1", "DaemonSet"),
    "cronjob": ("batch/v1", "CronJob"),
    "job": ("batch/v1", "Job"),
    "pod": ("v1", "Pod"),
    "service": ("v1", "Service"),
    "serviceaccount": ("v1", "ServiceAccount"),
    "namespace": ("v1", "Namespace"),
    "configmap": ("v1", "ConfigMap"),
    "secret": ("v1", "Secret"),
    "node": ("v1", "Node"),
    "persistentvolumeclaim": ("v1", "PersistentVolumeClaim"),
    "persistentvolume": ("v1", "PersistentVolume"),
    "storageclass": ("storage.k8s.io/v1", "StorageClass"),
    "ingress": ("networking.k8s.io/v1", "Ingress"),
    "networkpolicy": ("networking.k8s.io/v1", "NetworkPolicy"),
    "poddisruptionbudget": ("policy/v1", "PodDisruptionBudget"),
    "horizontalpodautoscaler": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "validatingwebhookconfiguration": ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    "mutatingwebhookconfiguration": ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    "validatingadmissionpolicybinding": ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    "clusterrolebinding": ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    "rolebinding": ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    "clusterrole": ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    "role": ("rbac.authorization.k8s.io/v1", "Role"),
}
"""What kubectl knows by itself; any other kind is patched as a custom resource is, for which `--type=merge` or `json` is needed."""
_LOCAL = frozenset({"patch", "label", "annotate", "set"})
_PLURAL = re.compile(r"(?:ies|es|s)$")


def _kind(said: str) -> tuple[str, str]:
    name = said.split("/", 1)[0].split(".", 1)[0].lower()
    for singular in (name, _PLURAL.sub("", name), name.removesuffix("s"), f"{name.removesuffix('ies')}y"):
        if singular in KINDS_OF:
            return KINDS_OF[singular]
    return "example.org/v1", "Custom"


def _odd_fields(patch: Any, model: str, path: str) -> Iterator[str]:
    """Fields of a patch that the API does not have or that are of another type: kubectl itself takes them, and the server drops them."""
    listed, mapped = re.fullmatch(r"[Ll]ist\[(.+)\]", model), re.fullmatch(r"[Dd]ict[\[(]str, (.+)[\])]", model)
    kind = getattr(client, model, None)
    if patch is None or model == "object":
        return
    if listed:
        for each in patch if isinstance(patch, list) else [_NO_LIST]:
            yield from _odd_fields(each, listed.group(1), f"{path}[]")
    elif mapped:
        for name, each in patch.items():
            yield from _odd_fields(each, mapped.group(1), f"{path}.{name}")
    elif kind is not None and isinstance(patch, dict):
        names = {said: name for name, said in kind.attribute_map.items()}
        for said, each in patch.items():
            if said.startswith("$"):  # a directive of the strategic merge
                continue
            if said not in names:
                yield f"{path} has no field {said}"
                continue
            yield from _odd_fields(each, kind.openapi_types[names[said]], f"{path}.{said}")
    elif not isinstance(patch, _TYPES.get(model, dict)) or (isinstance(patch, bool) and model != "bool"):
        yield f"{path} is no {model}"


_NO_LIST = object()
_TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "float": float, "datetime": str}


class _Kubectl:
    """kubectl on objects at hand; it never looks for a server."""

    def __init__(self, folder: Path) -> None:
        self.binary, self.folder = kubectl(), folder
        self.helps: dict[str, str] = {}

    def problem(self, text: str) -> str | None:
        """What is wrong with a command line; None where it can run."""
        words = shlex.split(text)[1:]
        verb = next((word for at, word in enumerate(words) if not word.startswith("-") and words[at - 1] not in ("-n", "--namespace")), "")
        if verb == "patch":
            return self._patch(words)
        return self._flags(verb, words)

    def _run(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [self.binary, *words], check=False, capture_output=True, text=True, timeout=60, env={"HOME": str(self.folder)}
        )
        return done.returncode, done.stderr + done.stdout

    def _patch(self, words: Sequence[str]) -> str | None:
        flags: list[str] = []
        bare: list[str] = []
        rest = iter(words)
        for word in rest:
            if word in ("-n", "--namespace", "--subresource"):
                next(rest, None)
            elif word in ("-p", "--patch", "--type"):
                flags += [word, next(rest, "")]
            elif word.startswith("-"):
                flags.append(word)
            else:
                bare.append(word)
        if not bare[1:]:
            return "names no kind and object"
        version, kind = _kind(bare[1])
        spec: dict[str, Any] = {"template": {"spec": {"containers": []}}} if version == "apps/v1" else {}
        item = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
        file = self.folder / "object.json"
        file.write_text(json.dumps(item))
        if "--type=json" in flags or ("--type", "json") in itertools.pairwise(flags):
            patch = flags[next(at for at, flag in enumerate(flags) if flag in ("-p", "--patch")) + 1]
            operations = json.loads(patch)  # its paths name what stands in the real object alone
            return None if all({"op", "path"} <= each.keys() for each in operations) else "no JSON patch"
        try:
            wanted = json.loads(flags[next(at for at, flag in enumerate(flags) if flag in ("-p", "--patch")) + 1])
        except json.JSONDecodeError as error:
            return str(error)
        odd = next(_odd_fields(wanted, f"V{version.rsplit('/', 1)[-1][1:]}{kind}", kind), None)
        if odd is not None:
            return odd
        code, said = self._run("patch", "--local", "-f", str(file), "-o", "json", *flags)
        return said if code else None

    def _flags(self, verb: str, words: Sequence[str]) -> str | None:
        if verb not in self.helps:
            code, said = self._run(verb, "--help")
            self.helps[verb] = "" if code or f"kubectl {verb}" not in said else said + self._run("options")[1]
        known = self.helps[verb]
        if not verb or not known:
            return f"kubectl has no '{verb}'"
        flags = {word.split("=", 1)[0] for word in words if word.startswith("-")}
        unknown = [flag for flag in sorted(flags) if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", known)]
        return f"'{verb}' has no flag {unknown[0]}" if unknown and verb not in ("set", "create") else None


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> _Kubectl:
    return _Kubectl(tmp_path_factory.mktemp("kubectl"))


@pytest.mark.parametrize("service", sorted(_by_service("kubernetes")))
def test_a_kubectl_command_is_one_that_kubectl_takes(service: str, patched: _Kubectl) -> None:
    wrong = {}
    for rule in _by_service("kubernetes")[service]:
        for template in rule.fix.kubernetes:
            text = command(template, _filled(rule))
            problem = patched.problem(text)
            if problem is not None:
                wrong[rule.id] = f"{text}: {problem.strip()[-300:]}"
    assert wrong == {}


def test_a_wrong_patch_is_told_from_a_right_one(patched: _Kubectl) -> None:
    for right in (
        """kubectl -n shop patch deployment web -p '{"spec":{"replicas":2}}'""",
        """kubectl patch certificate web --type=merge -p '{"spec":{"secretName":"x"}}'""",
        "kubectl -n shop delete pod web",
        "kubectl label namespace shop a=b --overwrite",
    ):
        assert patched.problem(right) is None, right
    for wrong in (
        """kubectl -n shop patch deployment web -p '{"spec":{"template":{"spec":{"containers":{"name":"x"}}}}}'""",
        """kubectl -n shop patch deployment web -p '{"spec":{"replicas":"two"}}'""",
        """kubectl -n shop patch deployment web -p '{"spec":{"template":{"spec":{"automountToken":false}}}}'""",
        """kubectl -n shop patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}'""",
        """kubectl patch certificate web -p '{"spec":{}}'""",
        """kubectl patch deployment web -p '{"spec":'""",
        "kubectl -n shop remove pod web",
        "kubectl label namespace shop a=b --over",
    ):
        assert patched.problem(wrong) is not None, wrong


@pytest.mark.parametrize("name", ["plain", "two words", "a'b", 'a"b', "$(id)", "a;b", "`id`", "--flag", "a\nb", "\u202eabc", ""])
def test_a_name_is_one_word_of_a_command_however_odd_it_is(name: str) -> None:
    text = command(
        """aws x y --name {name} --json '{"a":"{name}"}' --list '[{"b":"p-{name}"}]'""", {"name": name, "region": REGION}, "--region"
    )
    words = shlex.split(text)
    told = safe(name) or "NAME"
    assert words[:4] == ["aws", "x", "y", "--name"]
    assert words[4] == told
    assert words[-2:] == ["--region", REGION]
    if name.isprintable() and name:
        assert json.loads(words[6]) == {"a": name}
        assert json.loads(words[8]) == [{"b": f"p-{name}"}]


def test_a_command_says_its_own_region_or_none_where_there_is_none() -> None:
    flag = KINDS["aws"].region_flag
    assert command("aws s3api x --region us-east-1", {"region": REGION}, flag) == "aws s3api x --region us-east-1"
    assert command("aws iam x", {"region": "global"}, flag) == "aws iam x"
    assert command("aws iam x --user {name}", {"name": None, "region": ""}, flag) == "aws iam x --user NAME"
