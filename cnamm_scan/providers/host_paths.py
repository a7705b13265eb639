"""What of its host a container reaches by a path, on any platform: sockets that start containers, folders that it runs from, disks."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

SOCKETS = (
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/containerd/containerd.sock.ttrpc",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    "/run/podman/podman.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/nri/nri.sock",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
)
"""Where runtimes and the node's own manager listen, /var/run said as /run: who reaches one of them owns the node."""
_SOCKET_NAMES = re.compile(
    r"(?:docker|containerd|crio|cri-dockerd|dockershim|podman|buildkitd)\.sock(?:\.ttrpc)?|docker_engine|containerd-containerd",
    re.IGNORECASE,
)
"""What such a socket is called wherever somebody put it."""
_CRITICAL = (
    "/bin /boot /etc /home /lib /lib32 /lib64 /libx32 /proc /root /sbin /sys /usr /opt/cni /opt/containerd /opt/bin /var/lib/kubelet"
    " /var/lib/docker /var/lib/containerd /var/lib/containers /var/lib/crio /var/lib/etcd /var/lib/rancher /var/lib/k0s /var/lib/cni"
    " /var/lib/cloud /var/lib/systemd /var/lib/cri-dockerd /var/lib/rkt /var/lib/dbus /var/lib/microk8s /var/lib/etcd-backup /var/lib/sudo"
    " /var/lib/kube-proxy /var/lib/calico /var/spool/cron /var/spool/at /var/snap /run/containerd /run/docker /run/crio /run/k3s /run/k0s"
    " /run/systemd /run/udev /run/kubernetes /var/log/pods /var/log/containers"
).split()
"""Folders that a node boots, logs in, keeps its keys or starts containers from: with all that is in them.

/var/log/pods and /var/log/containers: the kubelet follows links in them as root when somebody asks for logs.
"""
_DISKS = re.compile(
    r"/dev/(?:(?:sd|hd|vd|xvd|nvme|dm-|md|loop|sr|mmcblk|nbd|rbd|drbd|zd|bcache)[^/]*|(?:mapper|disk|block|vg[^/]*)(?:/.*)?|mem|kmem|port|core)"
)
"""Devices that hold the node's files or its memory: read-only is a matter of the path, not of what it leads to."""


@lru_cache(maxsize=8192)
def clean(path: str) -> str:
    """A path without doubled slashes, dots and slashes behind; /var/run is said as /run, to which it leads."""
    text = posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else path
    if text == "/var/run" or text.startswith("/var/run/"):
        text = text[len("/var") :]
    return text


@lru_cache(maxsize=8192)
def reaches_socket(path: str) -> bool:
    """Whether a path is a socket of a runtime, or a folder that holds one."""
    text = clean(path)
    if _SOCKET_NAMES.fullmatch(re.split(r"[/\\]", text)[-1]):
        return True
    return any(_is_within(socket, text) for socket in SOCKETS) or re.fullmatch(r"/run/user(?:/[0-9]+)?", text) is not None


def is_far_above_socket(path: str) -> bool:
    """Whether a path is a folder of a whole node, as what only measures mounts, in which a socket lies somewhere below."""
    return clean(path) in ("/", "/run", "/var", "/var/lib")


@lru_cache(maxsize=8192)
def is_critical(path: str) -> bool:
    """Whether who writes there owns the node: a folder that it runs from, something in one, or a folder above one."""
    text = clean(path)
    if re.match(r"[A-Za-z]:", text):  # Windows
        return re.fullmatch(r"[a-z]:[\\/]*(?:(?:windows|program files|programdata|etc|k|var|users)(?:[\\/].*)?)?", text.lower()) is not None
    return text == "/dev" or any(_is_within(folder, text) or _is_within(text, folder) for folder in _CRITICAL)


@lru_cache(maxsize=8192)
def is_disk(path: str) -> bool:
    """Whether a path is a disk of the node, or its memory."""
    return _DISKS.fullmatch(clean(path)) is not None


def _is_within(path: str, folder: str) -> bool:
    return folder in (path, "/") or (bool(folder) and path.startswith(f"{folder}/"))
