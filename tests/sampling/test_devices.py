"""Each byte counts once: which devices of a ``/sys`` tree are chosen.

A tree is written as ``name: attributes``; an attribute is ``file=content``, a folder that ends with ``/``, or
a link ``name->target`` from the device's folder.
"""

from pathlib import Path

import pytest

from loadwatch.sampling.devices import disks, interfaces

Tree = dict[str, str]


def build(folder: Path, tree: Tree) -> None:
    """Write the tree; targets of links need not exist."""
    for name, attributes in tree.items():
        device = folder / name
        device.mkdir(parents=True, exist_ok=True)
        for attribute in attributes.split():
            if "->" in attribute:
                link, target = attribute.split("->")
                (device / link).parent.mkdir(parents=True, exist_ok=True)
                (device / link).symlink_to(target)
            elif attribute.endswith("/"):
                (device / attribute).mkdir(parents=True, exist_ok=True)
            else:
                file, content = attribute.split("=", 1)
                (device / file).parent.mkdir(parents=True, exist_ok=True)
                (device / file).write_text(content.replace("_", " ") + "\n")


LO = {"lo": "type=772 ifindex=1 iflink=1"}
INTERFACES: dict[str, tuple[Tree, set[str]]] = {
    "a server with a bond, a VLAN on it, a bridge and containers": (
        {
            "eth0": "device/ ifindex=2 iflink=2 master->../bond0",
            "eth1": "device/ ifindex=3 iflink=3 master->../bond0",
            "bond0": "bonding/ ifindex=4 iflink=4 lower_eth0->../eth0 lower_eth1->../eth1",
            "bond0.7": "ifindex=5 iflink=4 lower_bond0->../bond0",
            "br0": "bridge/ ifindex=6 iflink=6 lower_bond0.7->../bond0.7",
            "veth1a": "brport/ master->../br0 ifindex=7 iflink=2",
            "wg0": "type=65534 ifindex=8 iflink=8",
        },
        {"eth0", "eth1"},
    ),
    "the accelerated twin of Azure": (
        {"eth0": "device/ ifindex=2 iflink=2", "enP1": "device/ master->../eth0 ifindex=3 iflink=3"},
        {"eth0"},
    ),
    "a switch chip (DSA)": (
        {
            "eth0": "device/ dsa/tagging=mtk ifindex=2 iflink=2",
            "lan1": "device/ ifindex=3 iflink=2 uevent=DEVTYPE=dsa phys_switch_id=0 master->../br0",
            "lan2": "device/ ifindex=4 iflink=2 uevent=DEVTYPE=dsa phys_switch_id=0 master->../br0",
            "br0": "bridge/ ifindex=5 iflink=5",
        },
        {"eth0"},
    ),
    "virtual functions of SR-IOV beside their physical one": (
        {
            "ens1": "device/net/ens1/ ifindex=2 iflink=2",
            "ens1v0": "device/physfn/net/ens1/ ifindex=3 iflink=3",
            "ens1v1": "device/physfn/net/ens1/ ifindex=4 iflink=4",
        },
        {"ens1"},
    ),
    "a virtual function that is all a virtual machine has": (
        {"ens5": "device/net/ens5/ ifindex=2 iflink=2"},
        {"ens5"},
    ),
    "representors of virtual functions (switchdev)": (
        {
            "ens1": "device/ phys_port_name=p0 ifindex=2 iflink=2",
            "eth0": "device/ phys_port_name=pf0vf0 ifindex=3 iflink=3",
            "eth1": "device/ phys_port_name=c1pf0sf12 ifindex=4 iflink=4",
        },
        {"ens1"},
    ),
    "the host of Xen machines": (
        {
            "eth0": "device/ ifindex=2 iflink=2 master->../xenbr0",
            "vif1.0": "device/subsystem->../../../bus/xen-backend ifindex=3 iflink=3 master->../xenbr0",
            "vif2.0": "device/modalias=xen-backend:vif ifindex=4 iflink=4 master->../xenbr0",
            "xenbr0": "bridge/ ifindex=5 iflink=5",
        },
        {"eth0"},
    ),
    "a Xen machine": ({"eth0": "device/subsystem->../../../bus/xen ifindex=2 iflink=2"}, {"eth0"}),
    "a radio with a monitor": (
        {"wlan0": "device/ type=1 ifindex=2 iflink=2", "mon0": "device/ type=803 ifindex=3 iflink=3"},
        {"wlan0"},
    ),
    "a container": ({"eth0": "ifindex=5 iflink=120"}, {"eth0"}),
    "a container with two networks": (
        {"eth0": "ifindex=5 iflink=120", "eth1": "ifindex=7 iflink=121"},
        {"eth0", "eth1"},
    ),
    "containers in a container": (
        {
            "eth0": "ifindex=2 iflink=120",
            "docker0": "bridge/ ifindex=3 iflink=3 lower_veth1->../veth1",
            "veth1": "brport/ ifindex=5 iflink=4 master->../docker0",
            "tun0": "type=65534 ifindex=6 iflink=6",
        },
        {"eth0"},
    ),
    "a container whose way out is bridged itself": (
        {
            "eth0": "brport/ ifindex=2 iflink=120 master->../br0",
            "br0": "bridge/ ifindex=3 iflink=3 lower_eth0->../eth0",
            "vethabc": "brport/ ifindex=5 iflink=4 master->../br0",
        },
        {"eth0"},
    ),
    "routed containers in a container": (
        {"eth0": "ifindex=2 iflink=120", "cali12ab": "ifindex=5 iflink=4", "lxc77": "ifindex=7 iflink=6"},
        {"eth0"},
    ),
    "both ends of a cable within a container": (
        {
            "eth0": "ifindex=2 iflink=120",
            "left": "ifindex=3 iflink=4",
            "right": "ifindex=4 iflink=3",
            "eth0.5": "ifindex=5 iflink=2 lower_eth0->../eth0",
        },
        {"eth0"},
    ),
    "a number elsewhere that happens to be one of ours": (
        {"eth0": "ifindex=2 iflink=3", "eth1": "ifindex=3 iflink=17"},
        {"eth0", "eth1"},
    ),
    "nothing but a tunnel": ({"tun0": "type=65534 ifindex=2 iflink=2"}, {"tun0"}),
    "nothing": ({}, set()),
}

DISKS: dict[str, tuple[Tree, set[str], set[str]]] = {
    "encryption, volumes and RAID over disks": (
        {
            "sda": "device/",
            "sdb": "device/",
            "md0": "slaves/sda/ slaves/sdb/",
            "dm-0": "slaves/md0/",
            "dm-1": "slaves/dm-0/",
            "loop0": "",
            "zram0": "",
            "sr0": "device/",
        },
        {"sda1", "sda2", "sdb1", "md0p1"},
        {"sda", "sdb"},
    ),
    "an NVMe disk with hidden paths": (
        {"nvme0n1": "device/ hidden=0", "nvme0c0n1": "device/ hidden=1", "nvme0c1n1": "device/ hidden=1"},
        {"nvme0n1p1"},
        {"nvme0n1"},
    ),
    "paths to a storage network": (
        {"sda": "device/", "sdb": "device/", "dm-0": "slaves/sda/ slaves/sdb/"},
        set(),
        {"sda", "sdb"},
    ),
    "network block devices with partitions, and ten of them": (
        {"nbd1": "", "nbd10": "", "dm-0": "slaves/nbd1/"},
        {"nbd1p1", "nbd1p10"},
        {"nbd1", "nbd10"},
    ),
    "a Xen machine that is given partitions as disks": (
        {"xvda1": "", "xvda2": ""},
        set(),
        {"xvda1", "xvda2"},
    ),
    "a container without /sys": (
        {},
        {"sda", "sda1", "nvme1n1", "nvme1n1p2", "dm-0", "md127"},
        {"sda", "nvme1n1"},
    ),
    "a container without /sys on names that end in digits": (
        {},
        {"nbd1", "nbd10", "nbd1p3"},
        {"nbd1", "nbd10"},
    ),
    "a container that sees volumes only": ({}, {"dm-0", "dm-1"}, {"dm-0", "dm-1"}),
    "disks in drawers": ({"cciss!c0d0": "device/"}, {"cciss/c0d0p1"}, {"cciss/c0d0"}),
    "nothing": ({"loop0": "", "ram0": ""}, set(), set()),
}


@pytest.mark.parametrize("case", INTERFACES)
def test_interfaces_at_which_bytes_enter_and_leave(tmp_path: Path, case: str) -> None:
    """Whatever passes the same bytes a second time is left out, and nothing else."""
    tree, expected = INTERFACES[case]
    build(tmp_path / "class/net", {**LO, **tree})

    assert set(interfaces(tmp_path).choose({**LO, **tree})) == expected


@pytest.mark.parametrize("case", DISKS)
def test_disks_that_bytes_are_written_to(tmp_path: Path, case: str) -> None:
    """Each byte counts at the disk it ends on."""
    tree, partitions, expected = DISKS[case]
    build(tmp_path / "block", tree)
    names = {name.replace("!", "/") for name in tree} | partitions

    assert set(disks(tmp_path).choose(names)) == expected
