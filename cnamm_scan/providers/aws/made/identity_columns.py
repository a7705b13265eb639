"""What the columns of users, roles, their rights and their trust mean: many, and told apart from those of resource policies."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Column

_WHO: Mapping[str, Column] = {
    "name": Column("text"),
    "arn": Column("text"),
    "created_at": Column("timestamp"),
    "boundary_arn": Column("text", about="The policy that bounds it; none where there is none."),
    "is_break_glass": Column("boolean", about="An emergency identity, named by the tag key break-glass or emergency-access."),
}
RIGHTS: Mapping[str, Column] = {
    "is_administrator": Column("boolean", about="Holds everything, or all of IAM, apart from what a policy takes out by name."),
    "holds_everything": Column("boolean", about="Every action on every resource, apart from what a policy takes out by name."),
    "holds_all_services": Column("boolean", about="Every action of services that no policy names: power users too, who lack IAM."),
    "can_raise": Column("boolean", about="May come to more by one of the known ways."),
    "ways": Column("list", about="The ways that are open, such as iam:AttachRolePolicy or iam:PassRole+lambda:CreateFunction."),
    "possible_ways": Column("list", about="The ways that may be open: on some resources, or by what no policy says."),
    "gives_rights": Column("boolean", about="Could make identities, or services, that hold more, if no boundary stood in the way."),
    "is_bounded": Column("boolean", about="A boundary leaves no way to make such. False without a boundary."),
    "whole_services": Column("list", about="Services of which every action is held on everything, or nearly every one."),
    "holds_sensitive_service": Column("boolean", about="One of them is sensitive: IAM, STS, keys, data, machines, trails."),
    "holds_other_service": Column("boolean", about="One of them is another service."),
    "passes_roles": Column("text", about="Which roles it may hand to services: all, some, none."),
    "passes_roles_to_any_service": Column("boolean", about="To services that no policy names too."),
    "takes_roles": Column("text", about="Which roles of the account it may take, as far as its own rights go: all, some, none."),
    "decrypts_everywhere": Column(
        "boolean", about="Decrypts, or encrypts anew, what any key of any Region holds that lets IAM decide, whatever its alias and tags."
    ),
    "reads_secrets_everywhere": Column("boolean"),
    "reads_objects_everywhere": Column("boolean", about="Reads every object in every bucket."),
}
"""Columns of what somebody holds, or whoever a policy alone is given to."""
IAM_USER: Mapping[str, Column] = {
    **_WHO,
    "tag_keys": Column("list"),
    "groups": Column("list", about="Names of its groups."),
    "attached_policies": Column("list", about="ARNs of the managed policies that hang on it directly."),
    "inline_policies": Column("list", about="Names of its own inline policies."),
    "policies_direct": Column("integer", about="How many policies hang on it directly."),
}
IAM_ROLE: Mapping[str, Column] = {
    **_WHO,
    "path": Column("text"),
    "tag_keys": Column("list"),
    "is_service_linked": Column("boolean"),
    "is_identity_center": Column("boolean", about="Made by IAM Identity Center for one permission set while somebody is assigned to it."),
    "is_kept_by_aws": Column(
        "boolean", about="AWS Control Tower or CloudFormation StackSets made it to act in the account, and needs it as it is."
    ),
    "is_used": Column("boolean"),
    "last_used_at": Column("timestamp"),
}
_BECOMES: Mapping[str, Column] = {
    "becomes_administrator": Column(
        "boolean", about="Is an administrator, or comes to be one by taking roles of the account, one after the other."
    ),
}
USER_RIGHTS: Mapping[str, Column] = {
    **_WHO,
    **RIGHTS,
    **_BECOMES,
    "is_administrator_directly": Column("boolean", about="By policies that hang on it itself, its groups left out."),
}
GROUP_RIGHTS: Mapping[str, Column] = {**_WHO, **RIGHTS}
ROLE_RIGHTS: Mapping[str, Column] = {
    **_WHO,
    **RIGHTS,
    **_BECOMES,
    "role_name": Column("text"),
    "is_identity_center": IAM_ROLE["is_identity_center"],
    "is_kept_by_aws": IAM_ROLE["is_kept_by_aws"],
}
POLICY_RIGHTS: Mapping[str, Column] = {
    "name": Column("text"),
    "arn": Column("text"),
    "holders": Column("list", about="Whom it is attached to, such as user ann or role deploy."),
    **RIGHTS,
}
INLINE_RIGHTS: Mapping[str, Column] = {
    "name": Column("text", about="The policy's name."),
    "holder": Column("text", about="The name of the user, group or role."),
    "holder_arn": Column("text"),
    "holder_kind": Column("text", about="user, group or role."),
    **RIGHTS,
}
BOUNDARY: Mapping[str, Column] = {
    "policy_arn": Column("text"),
    "allows_everything": Column("boolean", about="Leaves every action of services that it does not name."),
    "denies_something": Column("boolean", about="It takes something out: by a Deny, by NotAction, by what it does not list."),
    "leaves_administrator": Column("boolean", about="Whoever is bound by it may still hold everything, or all of IAM, but what it names."),
}
ADMINISTRATORS: Mapping[str, Column] = {
    "at_least": Column("integer", about="How many certainly hold all rights."),
    "at_most": Column("integer", about="How many may, those with unread policies counted in; unknown where not everybody was listed."),
    "names": Column("list", about="Who certainly does."),
}
PERMISSION_SET: Mapping[str, Column] = {
    "name": Column("text"),
    "arn": Column("text"),
    "instance_arn": Column("text"),
    "session_minutes": Column("integer"),
    **RIGHTS,
}
_OF_A_ROLE: Mapping[str, Column] = {
    "role_name": Column("text"),
    "role_arn": Column("text"),
    "role_created_at": Column("timestamp"),
    "max_session_seconds": Column("integer"),
    "role_is_used": Column("boolean"),
    "role_last_used_at": Column("timestamp"),
}
TRUST: Mapping[str, Column] = {
    **_OF_A_ROLE,
    "account_id": Column("text"),
    "is_aws_owned": Column("boolean", about="Service-linked roles and those of Identity Center."),
    "asks_external_id": Column("boolean"),
    "asks_mfa": Column("boolean"),
    "asks_organisation": Column("boolean"),
    "asks_audience": Column("boolean", about="Of a token."),
    "ends_by_itself": Column("boolean", about="Is bound to a time that ends."),
    "ends_at": Column("timestamp", about="When that is."),
    "federated": Column("list", about="Identity providers that are trusted."),
    "is_service": Column("boolean", about="Trusts an AWS service."),
    "is_saml": Column("boolean"),
    "is_oidc": Column("boolean", about="Trusts an OpenID Connect provider of the account."),
    "is_web_identity": Column("boolean", about="Trusts tokens: of such a provider, or of Cognito, Google, Amazon, Facebook."),
    "is_pipeline": Column("boolean", about="Trusts the issuer of a code host or a pipeline service."),
    "token_subjects": Column("list", about="The values that the conditions hold against the token's subject."),
    "tokens_are_bound": Column("boolean", about="Only tokens of one customer of the issuer (of a cluster: of one namespace) are accepted."),
    "tokens_are_exact": Column("boolean", about="Bound, and to subjects that are written out."),
    "is_telling_service": Column("boolean", about="Trusts an AWS service that says for whose resource it acts."),
    "unbounded_services": Column("list", about="AWS services that would say for whose resource they act, and are not asked."),
}
"""Columns of a statement of a role's trust policy, beside those of `STATEMENT`."""
TRUSTED_ACCOUNT: Mapping[str, Column] = {
    **_OF_A_ROLE,
    "trusted_account": Column("text", about="Its number, or the id of an organisation of which any account is trusted."),
    "asks_external_id": Column("boolean"),
    "asks_our_organisation": Column("boolean", about="Asks for membership in an organisation that is named."),
    "asks_named_principal": Column("boolean", about="Names users or roles of the account one by one."),
    "ends_by_itself": Column("boolean"),
    "ends_at": Column("timestamp"),
}
