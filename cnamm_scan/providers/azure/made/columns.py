"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Column
from cnamm_scan.providers.first_match import OPENED
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

DOOR: Mapping[str, Column] = {
    "id": Column("text", about="Its id."),
    "name": Column("text"),
    "group": Column("text", about="The resource group that it is in."),
    "group_id": Column("text", about="The id of that group."),
    "openness": Column("text", about="How much of the internet may reach it: none, private, bounded, wide or world."),
    "admits_azure": Column("boolean", about="Admits every machine in Azure, those of other customers too."),
}
RAISING: Mapping[str, Column] = {
    "is_administrator": Column("boolean", about="Gives roles and writes them on the whole subscription, and no condition bounds it."),
    "can_raise": Column(
        "boolean", about="Comes to more rights than these by a way of its own; unknown where it hangs on identities that it may borrow."
    ),
    "gives_rights": Column("boolean", about="The same by giving roles itself: ways that borrow an identity are left out."),
    "ways": Column("list", about="The operations by which it certainly comes to more."),
    "possible_ways": Column(
        "list", about="The operations that lend it an identity, or that a condition may bound: as good as what they lead to."
    ),
    "keys": Column("list", about="Operations that hand out all the data of a service, or the keys to it."),
    "holds_everything": Column("boolean", about="Every operation on what there is, roles among them or not."),
    "holds_all_data": Column("boolean", about="Every operation on the data of every service."),
}
PRINCIPAL: Mapping[str, Column] = {
    "principal_id": Column("text"),
    "principal_type": Column("text", about="User, Group, ServicePrincipal, ForeignGroup or Device; who is in a group is not known here."),
    "roles": Column("list", about="Names of the roles that it was given, once each."),
    "scopes": Column("list", about="Where it was given them."),
    **RAISING,
    "is_above": Column("boolean", about="Was given a role above the subscription, which holds in others too."),
    "administers_beneath": Column(
        "list", about="Resource groups and resources of which it is an administrator, though not of the subscription."
    ),
    "is_standing_administrator": Column(
        "boolean", about="Is an administrator without having asked for it for some hours (Privileged Identity Management)."
    ),
    "can_become_administrator": Column("boolean", about="Is none, and may become one by asking for it: eligible."),
    "may_be_pim": Column(
        "boolean",
        about="An application that holds User Access Administrator and nothing else, as that of Privileged Identity Management does. "
        "Whose it is, is not read.",
    ),
}
ADMINISTRATORS: Mapping[str, Column] = {
    "at_least": Column(
        "integer", about="Principals that certainly are administrators of the subscription, and not Privileged Identity Management."
    ),
    "at_most": Column(
        "integer", about="Those of which it cannot be ruled out; unknown where more roles may have been given than were read."
    ),
    "standing": Column("integer", about="Those that are without having asked for it, without what may be Privileged Identity Management."),
    "eligible": Column("integer", about="Those that may become one."),
    "names": Column("list", about="Those that certainly are, as TYPE ID."),
}
ROLE: Mapping[str, Column] = {
    "name": Column("text"),
    "assigned": Column("integer", about="How often it was given in the subscription."),
    **RAISING,
}
SSH_OR_RDP: Mapping[str, Column] = {"opens_ssh_or_rdp": Column("boolean", about="The world gets to port 22, or to 3389 by TCP or UDP.")}
INTERFACE: Mapping[str, Column] = {
    "name": Column("text"),
    "group": Column("text", about="Its resource group."),
    "machine": Column("text", about="The machine that it belongs to; empty: none."),
    "public_ips": Column("list"),
    "is_guarded": Column("boolean", about="A network security group stands before it: its own, or its subnet's."),
    **OPENED,
    **SSH_OR_RDP,
}
MAKERS: Mapping[str, Maker] = {
    "doors": Maker(later("azure", "doors", "doors"), DOOR),
    "doors_open_by_default": Maker(later("azure", "doors", "doors", True), DOOR),  # without a rule of its firewall it admits everybody
    "principal_rights": Maker(later("azure", "access", "principal_rights"), PRINCIPAL),
    "administrators": Maker(later("azure", "access", "administrators"), ADMINISTRATORS),
    "interface_exposure": Maker(later("azure", "networks", "interface_exposure"), INTERFACE),
    "custom_role_rights": Maker(later("azure", "access", "custom_role_rights"), ROLE),
}
