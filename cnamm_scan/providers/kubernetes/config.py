"""From a kubeconfig, or a pod's own service account, to a client: the official one's configuration, its mistakes made loud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_incluster_config
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import FileOrData, KubeConfigLoader, KubeConfigMerger

from cnamm_scan.errors import CnammError, CredentialsError, UsageError, did_you_mean
from cnamm_scan.text import safe

IN_CLUSTER = "in-cluster"
INTERACTIVE_TIMEOUT = 300.0
"""Seconds for a plugin that may talk to a person, who may have to find their key."""


def kubeconfig_files(named: str | None) -> list[Path]:
    """The files that there are: the one named, those of KUBECONFIG, or ~/.kube/config. Raises UsageError for a named one that is not."""
    text = named or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [Path(part).expanduser() for part in text.split(os.pathsep) if part]
    there = [file for file in files if file.is_file()]
    if named and not there:
        raise UsageError("no such kubeconfig", where=named, do="name a file that is there, or leave --kubeconfig out")
    return there


class Kubeconfig:
    """The merged kubeconfig. Raises UsageError for one that cannot be read."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.where = os.pathsep.join(map(str, files))
        try:
            told = [str(file) for file in files if file.read_bytes().strip()]  # an empty one says nothing, and is no mistake
            merger = KubeConfigMerger(os.pathsep.join(told))
            self._merged = merger.config
            contexts = self._merged.safe_get("contexts") if self._merged is not None else None
            self.contexts: list[str] = [context.value["name"] for context in contexts or ()]
            # the first file that names one: the merger takes the last
            named = (config.get("current-context") for config in merger.config_files.values())
            self.current: str | None = next(filter(None, named), None)
        except Exception as error:
            raise UsageError("the kubeconfig cannot be read", where=self.where, do="check it with: kubectl config view") from error

    def client(self, context: str, *, timeout: float, connections: int) -> ApiClient:
        """A client for a context. Raises CredentialsError or UsageError."""
        if context not in self.contexts:
            raise UsageError(f"no context '{context}'", where=self.where, do=did_you_mean(context, self.contexts))
        configuration = _configuration(connections)
        try:
            loader = _Loader(config_dict=self._merged, active_context=context, config_base_path=None)
            loader.plugin_timeout = timeout
            loader.load_and_set(configuration)
        except CnammError:
            raise
        except Exception as error:
            raise UsageError(
                f"context '{context}' cannot be used: {_first_line(error)}", where=self.where, do="check it with: kubectl config view"
            ) from error
        return ApiClient(configuration)


def in_cluster_client(*, connections: int) -> ApiClient:
    """A client for the cluster that this process runs in. Raises CredentialsError where it runs in none."""
    configuration = _configuration(connections)
    try:
        load_incluster_config(configuration)
    except ConfigException as error:
        raise CredentialsError(
            f"no cluster to ask: {_first_line(error)}",
            where="kubernetes; tried KUBECONFIG, ~/.kube/config and the service account of a pod",
            do="name a context with kubernetes:CONTEXT, or a kubeconfig with --kubeconfig",
        ) from error
    return ApiClient(configuration)


def _configuration(connections: int) -> Configuration:
    configuration = Configuration()
    configuration.connection_pool_maxsize = connections
    configuration.retries = False  # the engine retries: its waits hold no thread
    return configuration


class _Loader(KubeConfigLoader):  # type: ignore[misc]
    """The client's loader, which logs a plugin's failure and goes on as nobody; this one says it."""

    plugin_timeout = 20.0

    def _load_from_exec_plugin(self) -> bool | None:
        if "exec" not in self._user:
            return None
        base = self._get_base_path(self._cluster.path)
        status = _Plugin(self._user["exec"], base, self._cluster, self.plugin_timeout).run()
        if "token" in status:
            self.token = f"Bearer {status['token']}"
        elif "clientCertificateData" in status and "clientKeyData" in status:
            for attribute, key in (("cert_file", "clientCertificateData"), ("key_file", "clientKeyData")):
                made = FileOrData(status, None, data_key_name=key, file_base_path=base, base64_file_content=False)
                setattr(self, attribute, made.as_file())
        else:
            raise _plugin_failed(self._user["exec"]["command"], "gave neither a token nor a certificate with its key")
        if "expirationTimestamp" in status:
            from kubernetes.config.dateutil import parse_rfc3339

            self.expiry = parse_rfc3339(status["expirationTimestamp"])
        return True


class _Plugin(ExecProvider):  # type: ignore[misc]
    """An exec plugin, given a time to answer in. Its own children end with it."""

    def __init__(self, exec_config: Any, cwd: str, cluster: Any, timeout: float) -> None:
        super().__init__(exec_config, cwd, cluster)
        self.timeout = timeout

    def run(self, previous_response: Any = None) -> Any:
        """The `status` of the ExecCredential that the plugin prints. Raises CredentialsError."""
        command = self.args[0]
        interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        spec: dict[str, Any] = {"interactive": interactive}
        if self.cluster:
            spec["cluster"] = self.cluster.value
        self.env["KUBERNETES_EXEC_INFO"] = json.dumps({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec})
        try:
            process = subprocess.Popen(
                self.args,
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if interactive else subprocess.DEVNULL,
                cwd=self.cwd,
                env=self.env,
                text=True,
                errors="replace",
                shell=self.shell,
                start_new_session=not interactive,
            )
        except OSError as error:
            raise _plugin_failed(command, f"could not be started: {error.strerror}") from error
        seconds = INTERACTIVE_TIMEOUT if interactive else self.timeout
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            with suppress(OSError):
                if interactive:
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise _plugin_failed(command, f"did not answer in {seconds:g} seconds") from error
        if process.returncode != 0:
            # what a plugin complains of may hold what it was given: it is not read, and who tries the plugin at a terminal sees it
            raise _plugin_failed(command, f"ended with {process.returncode}")
        try:
            answer = json.loads(said)
            status = answer["status"]
            version = answer["apiVersion"]
        except (ValueError, KeyError, TypeError) as error:
            raise _plugin_failed(command, "printed no ExecCredential") from error
        if version != self.api_version or not isinstance(status, dict):
            raise _plugin_failed(command, f"answered as {version}, expected {self.api_version}")
        return status


def _plugin_failed(command: str, what: str) -> CredentialsError:
    return CredentialsError(f"the plugin '{Path(command).name}' {what}", where="kubeconfig", do=f"try it by itself: {Path(command).name}")


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return safe(lines[0][:200]) if lines else type(error).__name__
