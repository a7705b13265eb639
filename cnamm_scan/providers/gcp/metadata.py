"""What the metadata of a machine, template, zone or project says: switches, and which keys hold a secret. Of the values nothing stays.

Imports nothing of Google's. What the switches mean: https://docs.cloud.google.com/compute/docs/metadata/predefined-metadata-keys
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.secrets.found import of_files, of_settings

Json = Any

_SWITCHES: Mapping[str, str] = {
    "enable-oslogin": "osLogin",
    "enable-oslogin-2fa": "osLoginTwoFactors",
    "block-project-ssh-keys": "blocksProjectKeys",
    "serial-port-enable": "serialPort",
    "serial-port-logging-enable": "serialLogging",
    "enable-guest-attributes": "guestAttributes",
    "enable-osconfig": "osConfig",
    "disable-legacy-endpoints": "refusesLegacyEndpoints",
}
_ON = frozenset({"true", "y", "yes", "1"})
_OFF = frozenset({"false", "n", "no", "0"})
_SCRIPTS = frozenset(
    "startup-script shutdown-script user-data cloud-init gce-container-declaration windows-startup-script-ps1 windows-startup-script-cmd"
    " windows-startup-script-bat windows-shutdown-script-ps1 windows-shutdown-script-cmd windows-shutdown-script-bat"
    " sysprep-specialize-script-ps1 sysprep-specialize-script-cmd sysprep-specialize-script-bat sysprep-oobe-script-ps1".split()
)
_AT_START = ("startup-script", "windows-startup-script-", "user-data", "sysprep-specialize-script-")
_PUBLIC = frozenset({"ssh-keys", "sshKeys", "windows-keys", "created-by", "instance-template"})
"""Keys of people, which are public, and what Google writes itself."""
_OF_GKE = re.compile(r"kube-|cluster-|kubelet-|kubeconfig$|configure-sh$|containerd-configure-sh$|gci-|k8s-")
_MANAGER = re.compile(r"projects/[^/]+/(?:zones|regions)/[^/]+/instanceGroupManagers/[^/]+")


def metadata(value: Json) -> Json:
    """Metadata as its switches (on, off, odd; left out where not set), `names`, and `{holding, unsure}`: keys by what their values are.

    Also `hasStartupScript`, `keysOfPeople` (how many; "hidden" where their text is not shown), and `manager`: the id of the instance group
    manager that made it. `{}` of a project that has none; of another shape: None.
    """
    pairs = _pairs(value)
    if pairs is None:
        return None
    said: dict[str, Json] = {told: _switch(pairs[key]) for key, told in _SWITCHES.items() if key in pairs}
    made = pairs.get("created-by") or ""
    ours = {key: text for key, text in pairs.items() if key not in _PUBLIC and not (_OF_GKE.match(key) and "kube-env" in pairs)}
    texts = {key: text for key, text in ours.items() if text is not None}
    packed = {key: texts.pop(key) for key in tuple(texts) if f"{key}-encoding" in pairs}
    found, hidden = of_files(texts, packed), of_settings((key, None) for key, text in ours.items() if text is None)
    return said | {
        "names": sorted(pairs),
        "hasStartupScript": any(key.startswith(_AT_START) for key in pairs),
        "keysOfPeople": _keys_of_people(pairs),
        "manager": made if _MANAGER.fullmatch(made) else "",
        "holding": found.holding,
        "unsure": sorted({*found.unsure, *hidden.unsure, *(key for key, text in ours.items() if text is None and key in _SCRIPTS)}),
    }


def _pairs(value: Json) -> dict[str, str | None] | None:
    """What is set, however it is written: a list of pairs, or a map as a zone's settings have it. A value that is not shown is None."""
    items = value.get("items", []) if isinstance(value, Mapping) else None
    if isinstance(items, Mapping):
        listed = [{"key": key, "value": text} for key, text in items.items()]
    elif isinstance(items, list):
        listed = items
    else:
        return None
    if not all(isinstance(each, Mapping) and isinstance(each.get("key"), str) for each in listed):
        return None
    return {each["key"]: None if each.get("value") is None else str(each["value"]) for each in listed}


def _switch(text: str | None) -> str:
    word = (text or "").strip().lower()
    return "on" if word in _ON else "off" if word in _OFF else "odd"


def _keys_of_people(pairs: Mapping[str, str | None]) -> Json:
    """How many SSH keys there are; "hidden" where a value is not shown."""
    texts = [pairs[key] for key in ("ssh-keys", "sshKeys") if key in pairs]
    return "hidden" if None in texts else sum(_lines(text or "") for text in texts)


def _lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"metadata": metadata}
"""What collectors may name under `normalise:`."""
