"""From a kubeconfig, or a pod's own service account, to a client: the official one's configuration, its mistakes made loud."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_incluster_config
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import FileOrData, KubeConfigLoader, KubeConfigMerger

from cnamm_scan.errors import CnammError, CredentialsError, UsageError, did_you_mean
from cnamm_scan.providers.kubernetes.link import Access, Impersonation
from cnamm_scan.text import safe

IN_CLUSTER = "in-cluster"
_CREDENTIALS = (
    "token", "tokenFile", "username", "password", "exec", "auth-provider",
    "client-certificate", "client-certificate-data", "client-key", "client-key-data",
)  # fmt: skip
"""What a kubeconfig says of a user that only the server may know."""
_MISSING = re.compile(r"Invalid kube-config file\. Expected key (\S+) in ")
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
        if not all(isinstance(name, str) for name in (*self.contexts, self.current or "")):
            raise UsageError("the name of a context is no text", where=self.where, do="put it into quotes")

    def access(self, context: str, *, timeout: float, connections: int) -> Access:
        """How a context's server is reached. Raises CredentialsError or UsageError."""
        if context not in self.contexts:
            raise UsageError(f"no context '{context}'", where=self.where, do=did_you_mean(context, self.contexts))
        configuration = _configuration(connections)
        try:
            loader = _Loader(config_dict=self._merged, active_context=context, config_base_path=None)
            loader.plugin_timeout = timeout
            loader.load_and_set(configuration)
            impersonation = loader.impersonation
        except CnammError:
            raise
        except Exception as error:
            raise UsageError(
                f"context '{context}' cannot be used: {_first_line(error)}", where=self.where, do="check it with: kubectl config view"
            ) from error
        renew = (lambda: loader.renew(configuration)) if loader.is_renewable else None
        return Access(_client(configuration), impersonation, renew, loader.withheld)


def in_cluster_access(*, connections: int) -> Access:
    """How the cluster that this process runs in is reached. Raises CredentialsError where it runs in none."""
    configuration = _configuration(connections)
    try:
        load_incluster_config(configuration)
    except ConfigException as error:
        raise CredentialsError(
            f"no cluster to ask: {_first_line(error)}",
            where="kubernetes; tried KUBECONFIG, ~/.kube/config and the service account of a pod",
            do="name a context with kubernetes:CONTEXT, or a kubeconfig with --kubeconfig",
        ) from error
    # its token is a file, which is written anew long before the token in it runs out
    return Access(_client(configuration), renew=lambda: load_incluster_config(configuration))


def _client(configuration: Configuration) -> ApiClient:
    """Raises UsageError for a proxy, a kubeconfig's or the environment's, that cannot be used. What it says may hold a password."""
    if configuration.proxy and "://" not in configuration.proxy:
        configuration.proxy = f"http://{configuration.proxy}"  # as the environment's are read everywhere
    if not configuration.verify_ssl:  # the scan says so once, urllib3 with each connection
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    try:
        return ApiClient(configuration)
    except Exception as error:
        scheme = str(configuration.proxy).partition("://")[0].lower()
        needs = scheme.startswith("socks") and isinstance(error, ImportError)
        raise UsageError(
            f"a proxy of the kind '{safe(scheme[:20])}' cannot be used" + (": PySocks is not installed" if needs else ""),
            where="proxy-url of the kubeconfig, or HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            do="install PySocks" if needs else "write http://HOST:PORT",
        ) from error


def _configuration(connections: int) -> Configuration:
    configuration = Configuration()
    configuration.connection_pool_maxsize = connections
    configuration.retries = False  # the engine retries: its waits hold no thread
    return configuration


class _Loader(KubeConfigLoader):  # type: ignore[misc]
    """The client's loader, which logs a plugin's failure and goes on as nobody; this one says it.

    As with kubectl, a server that does not speak TLS is asked as nobody: neither is a token made for it nor a certificate shown to it.
    """

    plugin_timeout = 20.0

    @property
    def _user_says(self) -> Mapping[str, Any]:
        return self._user.value if self._user is not None and isinstance(self._user.value, dict) else {}

    @property
    def _is_private(self) -> bool:
        return urlsplit(str(self._cluster.safe_get("server") or "")).scheme.lower() == "https"

    @property
    def withheld(self) -> bool:
        """Whether there are credentials that the server is not told."""
        return not self._is_private and any(self._user_says.get(name) for name in _CREDENTIALS)

    @property
    def is_renewable(self) -> bool:
        """Whether newer credentials can be had: from a plugin or a provider, or out of a file that others write."""
        return self._is_private and any(self._user_says.get(name) for name in ("exec", "auth-provider", "tokenFile"))

    def renew(self, configuration: Configuration) -> None:
        """Get credentials anew. Raises CredentialsError."""
        self._load_authentication()
        self._set_config(configuration)

    @property
    def impersonation(self) -> Impersonation | None:
        """As whom the user of the context asks. Raises ConfigException for what cannot be meant."""
        said = {name: self._user_says[name] for name in ("as", "as-uid", "as-groups", "as-user-extra") if self._user_says.get(name)}
        if not said:
            return None
        groups, extra = said.get("as-groups", []), said.get("as-user-extra", {})
        is_listed = isinstance(extra, dict) and all(isinstance(values, list) for values in extra.values())
        if not isinstance(groups, list) or not is_listed:
            raise ConfigException("as-groups is a list of names, as-user-extra has one for each key")
        pairs = [(key, value) for key, values in extra.items() for value in values]
        for text in (said.get("as", ""), said.get("as-uid", ""), *groups, *(each for pair in pairs for each in pair)):
            if not isinstance(text, str) or not text.isprintable():
                raise ConfigException("what stands under as, as-uid, as-groups and as-user-extra is printable text")
        if "as" not in said:
            raise ConfigException(f"{' and '.join(said)} without as: nobody is named to ask as")
        return Impersonation(said["as"], said.get("as-uid", ""), tuple(groups), tuple(pairs))

    def _load_authentication(self) -> None:
        if self._is_private:
            super()._load_authentication()

    def _load_cluster_info(self) -> None:
        said = self._cluster.value
        scheme, sign, rest = str(said.get("server") or "").partition("://")
        if scheme.lower() not in ("http", "https") or not sign:
            raise ConfigException("the cluster's server begins with neither https:// nor http://")
        said["server"] = f"{scheme.lower()}://{rest}"  # the client looks for small letters, and would not load an authority else
        if not isinstance(said.get("insecure-skip-tls-verify"), bool | None):  # the text "false" would turn checking off
            raise ConfigException("insecure-skip-tls-verify is neither true nor false")
        for name in ("proxy-url", "tls-server-name", "certificate-authority", "certificate-authority-data"):
            if not isinstance(said.get(name), str | None):
                raise ConfigException(f"{name} is no text")
        super()._load_cluster_info()

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
    if not lines:
        return type(error).__name__
    missing = _MISSING.match(lines[0])
    # the client tells what it did not find by all that stands around it, keys and tokens too
    return safe(f"'{missing[1]}' says nothing" if missing else lines[0].partition("{")[0][:200])
