"""Identity and organisation of the demo account: users, roles, policies, organizational units."""

from __future__ import annotations

import json
from typing import Any

from cnamm_scan.demo.aws.estate.account import ACCOUNT, DEV, HOME, OWNED, Aws, policy, role_arn, service_trust, tags, trust

MANAGED = "arn:aws:iam::aws:policy/"
OUTSIDER = "arn:aws:iam::210987654321:root"
GITHUB = "token.actions.githubusercontent.com"

# name -> (groups, console password, MFA, access keys); which keys are old is up to demo_rewrite
USERS: dict[str, tuple[tuple[str, ...], bool, bool, int]] = {
    "alice": (("admins",), True, True, 0),
    "bob": (("developers",), True, False, 1),
    "carol": (("developers",), True, True, 1),
    "dave": ((), False, False, 2),
    "erin": (("auditors",), True, True, 0),
    "ci-deploy": ((), False, False, 1),
    "legacy-batch": ((), False, False, 2),
    "break-glass": (("admins",), True, True, 0),
}

ROLES: dict[str, str] = {
    "app-instance": service_trust("ec2"),
    "lambda-orders": service_trust("lambda"),
    "ecs-task": service_trust("ecs-tasks"),
    "ecs-execution": service_trust("ecs-tasks"),
    "eks-cluster": service_trust("eks"),
    "eks-node": service_trust("ec2"),
    "config-recorder": service_trust("config"),
    "backup": service_trust("backup"),
    "codebuild": service_trust("codebuild"),
    "codepipeline": service_trust("codepipeline"),
    "flow-logs": service_trust("vpc-flow-logs"),
    "cloudtrail-logs": service_trust("cloudtrail"),
    "states": service_trust("states"),
    "fis": service_trust("fis"),
    "scheduler": service_trust("scheduler"),
    "firehose": service_trust("firehose"),
    "admin": trust(
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    ),
    "vendor-audit": trust({"AWS": OUTSIDER}, Condition={"StringEquals": {"sts:ExternalId": "demo-external-id"}}),
    "vendor-monitoring": trust({"AWS": OUTSIDER}),
    "anyone": trust({"AWS": "*"}),
    "github-deploy": trust(
        {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"},
        "sts:AssumeRoleWithWebIdentity",
        Condition={
            "StringEquals": {
                f"{GITHUB}:aud": "sts.amazonaws.com",
                f"{GITHUB}:sub": "repo:example/shop:ref:refs/heads/main",
            }
        },
    ),
    "github-any-repository": trust(
        {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"},
        "sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}},
    ),
}

POLICIES: dict[str, dict[str, Any]] = {
    "everything": {"Action": "*", "Resource": "*"},
    "deploy": {
        "Action": ["cloudformation:*", "lambda:UpdateFunctionCode", "ecs:UpdateService"],
        "Resource": "*",
    },
    "pass-any-role": {"Action": ["iam:PassRole", "iam:CreatePolicyVersion"], "Resource": "*"},
    "read-orders": {
        "Action": ["dynamodb:GetItem", "dynamodb:Query"],
        "Resource": f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/orders",
    },
    "developer-boundary": {
        "Action": ["s3:*", "lambda:*", "logs:*"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": [HOME]}},
    },
    "nobody-uses-this": {"Action": "ec2:Describe*", "Resource": "*"},
}

ATTACHED = {
    "admin": "AdministratorAccess",
    "github-any-repository": "AdministratorAccess",
    "vendor-audit": "SecurityAudit",
    "vendor-monitoring": "ReadOnlyAccess",
    "lambda-orders": "service-role/AWSLambdaBasicExecutionRole",
    "ecs-execution": "service-role/AmazonECSTaskExecutionRolePolicy",
    "app-instance": "AmazonSSMManagedInstanceCore",
    "config-recorder": "service-role/AWS_ConfigRole",
}


def seed_identity(aws: Aws) -> None:
    """IAM first, as other seeds name its roles."""
    iam = aws("iam")
    iam.create_account_alias(AccountAlias="demo-shop")
    iam.update_account_password_policy(  # weak on purpose: short, no reuse prevention, no expiry
        MinimumPasswordLength=8, RequireSymbols=False, RequireNumbers=True, AllowUsersToChangePassword=True
    )
    for name, statement in POLICIES.items():
        iam.create_policy(PolicyName=name, PolicyDocument=policy(statement))
    _groups(iam)
    _users(iam)
    _roles(iam)


def _groups(iam: Any) -> None:
    for name in ("admins", "developers", "auditors", "empty"):
        iam.create_group(GroupName=name)
    iam.attach_group_policy(GroupName="admins", PolicyArn=MANAGED + "AdministratorAccess")
    iam.attach_group_policy(GroupName="auditors", PolicyArn=MANAGED + "SecurityAudit")
    iam.attach_group_policy(GroupName="developers", PolicyArn=_own("deploy"))


def _users(iam: Any) -> None:
    for name, (groups, has_password, has_mfa, keys) in USERS.items():
        iam.create_user(UserName=name, Tags=tags(OWNED if groups else {}))
        for group in groups:
            iam.add_user_to_group(GroupName=group, UserName=name)
        if has_password:
            iam.create_login_profile(UserName=name, Password="Demo-only-1!", PasswordResetRequired=False)
        if has_mfa:
            device = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]
            iam.enable_mfa_device(
                UserName=name,
                SerialNumber=device["SerialNumber"],
                AuthenticationCode1="123456",
                AuthenticationCode2="654321",
            )
        made = [iam.create_access_key(UserName=name)["AccessKey"] for _ in range(keys)]
        if name == "dave":
            iam.update_access_key(UserName=name, AccessKeyId=made[1]["AccessKeyId"], Status="Inactive")
    iam.attach_user_policy(UserName="legacy-batch", PolicyArn=_own("everything"))
    iam.attach_user_policy(UserName="ci-deploy", PolicyArn=_own("deploy"))
    iam.put_user_policy(
        UserName="dave",
        PolicyName="inline",
        PolicyDocument=policy({"Action": "s3:*", "Resource": "*"}),
    )


def _roles(iam: Any) -> None:
    iam.create_open_id_connect_provider(Url=f"https://{GITHUB}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40])
    for name, document in ROLES.items():
        path = "/service-role/" if name in {"codebuild", "codepipeline"} else "/"
        owned = OWNED if name.startswith(("lambda", "ecs", "app")) else {}
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document, Tags=tags(owned))
    for name, managed in ATTACHED.items():
        iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED + managed)
    for name, own in {
        "codebuild": "everything",
        "github-deploy": "deploy",
        "ecs-task": "read-orders",
    }.items():
        iam.attach_role_policy(RoleName=name, PolicyArn=_own(own))
    iam.put_role_permissions_boundary(RoleName="github-deploy", PermissionsBoundary=_own("developer-boundary"))
    iam.put_role_policy(
        RoleName="lambda-orders",
        PolicyName="inline",
        PolicyDocument=policy({"Action": "dynamodb:*", "Resource": "*"}),
    )
    iam.create_instance_profile(InstanceProfileName="app-instance")
    iam.add_role_to_instance_profile(InstanceProfileName="app-instance", RoleName="app-instance")


def _own(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


def seed_organization(aws: Aws) -> None:
    """An organisation with units, accounts, one guardrail that is attached and one that is not."""
    org = aws("organizations")
    org.create_organization(FeatureSet="ALL")
    root = org.list_roots()["Roots"][0]["Id"]
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    units = {}
    for name in ("Security", "Workloads", "Sandbox"):
        made = org.create_organizational_unit(ParentId=root, Name=name, Tags=tags({"Owner": "platform"}))
        units[name] = made["OrganizationalUnit"]["Id"]
    org.create_organizational_unit(ParentId=units["Workloads"], Name="Production")
    for account, unit in {
        "log-archive": "Security",
        "shop-dev": "Workloads",
        "playground": "Sandbox",
    }.items():
        status = org.create_account(AccountName=account, Email=f"{account}@example.com")["CreateAccountStatus"]
        org.move_account(AccountId=status["AccountId"], SourceParentId=root, DestinationParentId=units[unit])
    guard = _scp(org, "keep-guardrails", ["organizations:LeaveOrganization", "cloudtrail:StopLogging"])
    org.attach_policy(PolicyId=guard, TargetId=units["Workloads"])
    _scp(org, "regions-we-use", ["*"], {"StringNotEquals": {"aws:RequestedRegion": [HOME, "eu-west-1"]}})
    for principal in ("cloudtrail.amazonaws.com", "guardduty.amazonaws.com", "config.amazonaws.com"):
        org.enable_aws_service_access(ServicePrincipal=principal)


def _scp(org: Any, name: str, actions: list[str], condition: dict[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {"Effect": "Deny", "Action": actions, "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    made = org.create_policy(
        Name=name,
        Description=f"demo: {name}",
        Type="SERVICE_CONTROL_POLICY",
        Content=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        Tags=tags(DEV),
    )
    policy_id: str = made["Policy"]["PolicySummary"]["Id"]
    return policy_id


def instance_profile_arn() -> str:
    """The profile of the application's instances."""
    return role_arn("app-instance").replace(":role/", ":instance-profile/")
