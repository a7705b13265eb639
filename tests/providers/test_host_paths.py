"""Paths of a node: however they are written, what they lead to is the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.host_paths import SOCKETS, clean, is_critical, is_disk, reaches_socket

SPELLINGS = (
    lambda path: path,
    lambda path: "/" + path,
    lambda path: path + "/",
    lambda path: path.replace("/", "//"),
    lambda path: "/./" + path,
    lambda path: "/tmp/.." + path,
    lambda path: path + "/x/..",
    lambda path: path.replace("/run/", "/var/run/", 1) if path.startswith("/run/") else path,
)


@pytest.mark.parametrize("socket", SOCKETS)
@pytest.mark.parametrize("spell", SPELLINGS)
def test_a_socket_is_one_in_every_spelling_and_so_are_folders_above_it(socket: str, spell: object) -> None:
    assert callable(spell)
    assert reaches_socket(spell(socket))
    parts = socket.split("/")
    for end in range(1, len(parts)):
        assert reaches_socket(spell("/".join(parts[:end]) or "/"))


@pytest.mark.parametrize(
    "path",
    [
        "/run/k3s/containerd/containerd.sock",
        "/var/run/docker",
        "/var/run/cri-dockerd.sock",
        "/run/podman/podman.sock",
        "//var/run/docker.sock",
        "/var/run/../run/docker.sock",
        "/run/user/1000/docker.sock",
        "/run/user/1000",
        "/home/ci/.docker/run/docker.sock",
        r"\\\\.\\pipe\\docker_engine",
    ],
)
def test_sockets_of_other_runtimes(path: str) -> None:
    assert reaches_socket(path)


@pytest.mark.parametrize("path", ["/var/run/docker.sock.d", "/var/runner", "/var/log", "/opt", "/run/app/app.sock", "None", "", "/data"])
def test_other_paths_reach_no_socket(path: str) -> None:
    assert not reaches_socket(path)


@pytest.mark.parametrize(
    "path",
    [
        *"/ /etc /etc/cron.d //etc /var /var/lib /var/lib/kubelet/pods /var/lib/rancher/k3s/server /usr/local/bin /opt".split(),
        "/lib/modules",
        *"/opt/cni/bin /root/.ssh /home /dev /sys/fs/cgroup /proc /boot /run /var/run/containerd /var/log /var/log/pods".split(),
        *"/var/spool/cron /tmp/../etc C:\\ c:/windows".split(),
    ],
)
def test_who_writes_there_owns_the_node(path: str) -> None:
    assert is_critical(path)


@pytest.mark.parametrize(
    "path", "/data /data/cache /mnt/disk1 /var/log/app /opt/app /srv /tmp /var/lib/app /dev/shm /dev/kvm /etcd /users d:/data".split()
)
def test_folders_of_ones_own_are_none(path: str) -> None:
    assert not is_critical(path)


@pytest.mark.parametrize("path", "/dev/sda /dev/sda1 /dev/nvme0n1 //dev/xvda /dev/mapper/root /dev/disk/by-id/x /dev/mem /dev/dm-0".split())
def test_disks(path: str) -> None:
    assert is_disk(path)


@pytest.mark.parametrize("path", "/dev /dev/shm /dev/kvm /dev/fuse /dev/net/tun /dev/dri /dev/null /dev/nvidia0 /data/sda".split())
def test_other_devices(path: str) -> None:
    assert not is_disk(path)


@given(st.lists(st.sampled_from(["etc", "var", "run", "lib", "kubelet", "data", ".", "..", "", "docker.sock"]), max_size=8))
def test_cleaning_is_done_once_and_a_folder_above_a_critical_one_is_critical(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert clean(clean(path)) == clean(path)
    if is_critical(path + "/etc") and clean(path) == "/":
        assert is_critical(path)
    if reaches_socket(path):
        assert reaches_socket(path + "/x/..")
