"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Column
from cnamm_scan.providers.first_match import OPENED
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

DOOR: Mapping[str, Column] = {
    "id": Column("text", about="Its relative resource name."),
    "name": Column("text"),
    "openness": Column("text", about="How much of the internet its authorized networks admit: none, private, bounded, wide or world."),
}
CONTROL_PLANE: Mapping[str, Column] = {
    "id": Column("text", about="The id of the cluster."),
    "project": Column("text"),
    "name": Column("text"),
    "place": Column("text", about="Its region or zone."),
    "openness": Column("text", about="How much of the internet may reach it: none, private, bounded, wide or world."),
}
RAISING: Mapping[str, Column] = {
    "is_administrator": Column("boolean", about="Is Owner, or gives roles here or above, and no condition bounds it."),
    "can_raise": Column("boolean", about="Comes to all rights by a way of its own; unknown where it hangs on what may be borrowed."),
}
PRINCIPAL: Mapping[str, Column] = {
    "member": Column("text", about="As allow policies name it. Who is in a group, or of a domain, is not known here."),
    "place": Column("text", about="The id of the project, or folders/N or organizations/N."),
    "scope": Column("text", about="The same as gcloud names it: projects/ID, folders/N or organizations/N."),
    "account": Column("text", about="The address of a service account; empty for all else."),
    "kind": Column("text", about="user, serviceAccount, group, domain, principal, principalSet, allUsers or allAuthenticatedUsers."),
    "roles": Column("list", about="What it was given here and above, once each."),
    **RAISING,
    "ways": Column("list", about="The permissions by which it certainly comes to all rights."),
    "possible_ways": Column("list", about="Those that are as good as what they lead to: a build's account, a machine's, a pool's."),
    "is_standing_administrator": Column("boolean", about="Is an administrator, and no condition ends that."),
    "impersonates_all": Column("boolean", about="May act as every service account of the project, or make their tokens or keys."),
    "holds_owner": Column("boolean"),
    "holds_editor": Column("boolean"),
    "holds_basic_role": Column("boolean", about="Owner, Editor or Viewer, by their old names or their new ones (Admin, Writer, Reader)."),
    "is_inherited": Column("boolean", about="Was given something above: on a folder or the organization."),
    "is_googles": Column("boolean", about="A service agent, which Google runs for a service of its own."),
    "is_default_account": Column("boolean", about="The default service account of Compute Engine or App Engine."),
    "is_outside": Column(
        "boolean", about="Anybody, or a consumer account; not: of the organization's primary domain. Of other domains it is unknown."
    ),
}
ADMINISTRATORS: Mapping[str, Column] = {
    "at_least": Column("integer", about="Members that certainly are administrators, Google's own service agents left out."),
    "at_most": Column(
        "integer", about="Those of which it cannot be ruled out; unknown where more may have been given above than was seen."
    ),
    "standing": Column("integer", about="Users and groups that are at all times, without a condition that ends it."),
    "names": Column("list", about="The certain ones; people and groups by what stands for their address."),
    "scope": Column("text", about="Where they are, as gcloud names it: projects/ID, folders/N or organizations/N."),
}
ESCALATION: Mapping[str, Column] = {
    "place": Column("text", about="The id of the project, or folders/N or organizations/N."),
    "denies_granting": Column(
        "boolean",
        about="A deny policy here or above refuses everybody, or the whole organization, to set the allow policy, but whom it excepts.",
    ),
    "denies_keys": Column("boolean", about="The same of creating keys of service accounts."),
}
BOUNDARY: Mapping[str, Column] = {
    "organization": Column("text", about="organizations/NUMBER."),
    "is_bound": Column("boolean", about="A principal access boundary policy binds all of its principals, without a condition."),
    "is_bound_in_part": Column("boolean", about="One binds some of them alone, by a condition."),
    "stays_inside": Column(
        "boolean",
        about="What is bound lists the organization's own resources alone; of folders and projects that are not scanned it is unknown.",
    ),
    "outside": Column("list", about="Other organizations that are listed."),
}
ROLE: Mapping[str, Column] = {
    "name": Column("text"),
    "title": Column("text"),
    **RAISING,
    "ways": Column("list", about="The permissions by which it certainly leads to all rights."),
    "possible_ways": Column("list", about="Those that are as good as what they lead to."),
    "is_granted": Column("boolean", about="Somebody was given it, on whatever resource."),
}
ACCOUNT: Mapping[str, Column] = {
    "email": Column("text"),
    "project": Column("text"),
    "is_disabled": Column("boolean"),
    "is_default": Column("boolean", about="The default service account of Compute Engine or App Engine."),
    **RAISING,
    "holds_editor": Column("boolean", about="Editor or Owner of the project, or above it."),
    "is_public": Column("boolean", about="Anybody may act as it."),
    "names": Column("list", about="Who certainly may act as it by a binding on it; people and groups by what stands for their address."),
    "is_used_from_another_project": Column("boolean", about="A service account of another project may act as it."),
}
POOL: Mapping[str, Column] = {
    "name": Column("text"),
    "pool": Column("text", about="The resource name of its pool."),
    "issuer": Column("text"),
    "is_disabled": Column("boolean"),
    "is_shared": Column("boolean", about="Its issuer signs for strangers too; unknown of one that nobody has listed."),
    "condition_binds": Column("boolean", about="Its condition lets in the tokens of one tenant alone."),
    "has_strange_grant": Column("boolean", about="A binding names the pool in a way that lets in other tenants."),
    "is_bound": Column(
        "boolean", about="Whoever comes by it is of one tenant: by its issuer, its condition, or each binding that names the pool."
    ),
}
PUBLIC: Mapping[str, Column] = {
    "resource_id": Column("text"),
    "resource_type": Column("text"),
    "roles": Column("list", about="What anybody is given."),
    "is_anonymous": Column("boolean", about="Without a login; else with any Google account."),
    "is_public": Column("boolean", about="Nothing that was seen, or that might be there, keeps strangers out all the same."),
}
BUCKET: Mapping[str, Column] = {
    "name": Column("text"),
    "is_prevented": Column("boolean", about="Public access prevention holds: its own, or by organization policy."),
    "is_uniform": Column("boolean"),
    "roles": Column("list", about="What bindings give anybody, whether or not it is prevented."),
    "is_public": Column("boolean", about="Strangers get in by IAM, or by an ACL."),
}
DATASET: Mapping[str, Column] = {
    "name": Column("text"),
    "project": Column("text"),
    "is_public": Column("boolean", about="Strangers, or whoever has a Google account, get in by its own list or by IAM."),
}
SSH_OR_RDP: Mapping[str, Column] = {"opens_ssh_or_rdp": Column("boolean", about="The world gets to port 22, or to 3389 by TCP or UDP.")}
NETWORK: Mapping[str, Column] = {
    "name": Column("text"),
    "project": Column("text"),
    **OPENED,
    **SSH_OR_RDP,
}
INTERFACE: Mapping[str, Column] = {
    "machine": Column("text"),
    "project": Column("text"),
    "name": Column("text"),
    "network": Column("text"),
    "has_address": Column("boolean", about="Has an external address, of IPv4 or IPv6."),
    "is_node": Column("boolean", about="A node that Google Kubernetes Engine runs."),
    **OPENED,
    **SSH_OR_RDP,
}
CONSTRAINT: Mapping[str, Column] = {
    "name": Column("text", about="Its constraint, without constraints/ before it."),
    "is_enforced": Column(
        "boolean", about="It holds for everything here: a boolean constraint enforces, a list constraint bounds its values."
    ),
    "is_covered": Column("boolean", about="It holds, or the managed constraint does that refuses the same."),
    "is_partly": Column("boolean", about="A condition on tags makes an exception."),
    "denies_all": Column("boolean", about="Of a list: no value is allowed."),
    "allowed": Column("list", about="Of a list: the values that are allowed."),
    "denied": Column("list", about="Of a list: the values that are denied."),
    "set_on": Column("text", about="Where the policy that decides is set; empty where none is, and Google's default holds."),
    "is_tried": Column("boolean", about="A dry run of it is set here or above."),
    "is_seen": Column("boolean", about="Every policy here and above was seen; else it is unknown what more there is."),
}
_OF_WHOM: Mapping[str, Column] = {
    "organization": Column("text", about="organizations/NUMBER."),
    "whom": Column("text", about="The organizational unit or the group for which it was set; or everybody, of whom nothing else was."),
    "is_everybody": Column("boolean"),
    "is_set": Column("boolean", about="An administrator set it; else Google did."),
}
TWO_STEP_ENFORCEMENT: Mapping[str, Column] = {
    **_OF_WHOM,
    "enforced_from": Column("timestamp", about="1970-01-01 where nobody set a day."),
    "is_enforced": Column("boolean", about="Nobody gets in without a second factor, once his time to enroll is over."),
}
TWO_STEP_METHODS: Mapping[str, Column] = {
    **_OF_WHOM,
    "methods": Column("text", about="ALL, NO_TELEPHONY, PASSKEY_ONLY, PASSKEY_PLUS_SECURITY_CODE, PASSKEY_PLUS_IP_BOUND_SECURITY_CODE."),
    "allows_phones": Column("boolean", about="A code by text message or phone call counts."),
    "wants_security_keys": Column("boolean", about="Security keys and passkeys alone count."),
}
TWO_STEP_GRACE: Mapping[str, Column] = {
    **_OF_WHOM,
    "grace_days": Column("integer", about="For how long new people may go without a second factor."),
}
TWO_STEP_TRUST: Mapping[str, Column] = {
    **_OF_WHOM,
    "trusts_devices": Column("boolean", about="A device may be trusted, and is then not asked for a second factor again."),
}
SUPER_ADMIN_RECOVERY: Mapping[str, Column] = {
    **_OF_WHOM,
    "may_recover": Column("boolean", about="A super administrator may get a lost account back by a phone number or an address."),
}
WEB_SESSION: Mapping[str, Column] = {
    **_OF_WHOM,
    "session_hours": Column("integer", about="How long somebody stays signed in to Google's web applications, the console among them."),
}
ACCOUNTS: Mapping[str, Column] = {
    "organization": Column("text", about="organizations/NUMBER."),
    "id": Column("text", about="What stands for the user."),
    "is_active": Column("boolean", about="Neither suspended nor archived."),
    "is_super_admin": Column("boolean"),
    "is_enrolled": Column("boolean", about="Has a second factor."),
    "has_signed_in": Column("boolean"),
    "last_login_at": Column("timestamp", about="1970-01-01 where he never signed in."),
    "created_at": Column("timestamp"),
}
CHANGE: Mapping[str, Column] = {
    "kind": Column(
        "text",
        about="project ownership, audit configuration, custom roles, firewall rules, routes, networks, bucket permissions, Cloud SQL …",
    ),
    "is_told": Column("boolean", about="An alerting policy with a channel that works tells of each operation of the kind."),
    "missed": Column("list", about="Operations of which nobody is told, as the audit log names them."),
    "counted_by": Column("text", about="The first log-based metric of the project that counts some of these; empty where none does."),
}
MAKERS: Mapping[str, Maker] = {
    "doors": Maker(later("gcp", "doors", "databases"), DOOR),
    "control_planes": Maker(later("gcp", "doors", "control_planes"), CONTROL_PLANE),
    "principal_rights": Maker(later("gcp", "access", "principal_rights"), PRINCIPAL),
    "administrators": Maker(later("gcp", "access", "administrators"), ADMINISTRATORS),
    "escalation_denied": Maker(later("gcp", "denials", "escalation_denied"), ESCALATION),
    "organization_boundary": Maker(later("gcp", "boundaries", "organization_boundary"), BOUNDARY),
    "custom_role_rights": Maker(later("gcp", "access", "custom_role_rights"), ROLE),
    "service_account_access": Maker(later("gcp", "access", "service_account_access"), ACCOUNT),
    "pool_trust": Maker(later("gcp", "federation", "pool_trust"), POOL),
    "public_access": Maker(later("gcp", "public", "public_access"), PUBLIC),
    "bucket_access": Maker(later("gcp", "public", "bucket_access"), BUCKET),
    "dataset_access": Maker(later("gcp", "public", "dataset_access"), DATASET),
    "network_exposure": Maker(later("gcp", "networks", "network_exposure"), NETWORK),
    "interface_exposure": Maker(later("gcp", "networks", "interface_exposure"), INTERFACE),
    "directory_accounts": Maker(later("gcp", "directory", "directory_accounts"), ACCOUNTS),
    "two_step_enforcement": Maker(later("gcp", "directory", "two_step_enforcement"), TWO_STEP_ENFORCEMENT),
    "two_step_methods": Maker(later("gcp", "directory", "two_step_methods"), TWO_STEP_METHODS),
    "two_step_grace": Maker(later("gcp", "directory", "two_step_grace"), TWO_STEP_GRACE),
    "two_step_trust": Maker(later("gcp", "directory", "two_step_trust"), TWO_STEP_TRUST),
    "super_admin_recovery": Maker(later("gcp", "directory", "super_admin_recovery"), SUPER_ADMIN_RECOVERY),
    "web_session": Maker(later("gcp", "directory", "web_session"), WEB_SESSION),
    "constraints": Maker(later("gcp", "constraints", "constraints"), CONSTRAINT),
    "change_alerts": Maker(later("gcp", "alerts", "change_alerts"), CHANGE),
}
