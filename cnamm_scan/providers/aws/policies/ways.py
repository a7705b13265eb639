"""The known ways in which a right to change things becomes the rights of somebody else: one list, each with its source.

A way is open if what it needs is held on resources at large. Held on some, it is unknown: what those hold or run was not asked. Sources are
public write-ups of the technique and the vendor's description of the action; the whole set is known since
https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

_RHINO = "https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/"
_RHINO_2 = "https://rhinosecuritylabs.com/cloud-security/aws-privilege-escalation-methods-mitigation-part-2/"
_SAR = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_"
_IAM = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"


class Strength(Enum):
    """What a way needs beside the rights, which decides how sure it is."""

    DIRECT = "direct"
    """Nothing but the rights; what it raises to is in every account, or can be made."""
    THROUGH = "through"
    """Something that is there already and holds rights: a function, an instance, a role that a service takes."""
    DEPENDS = "depends"
    """On facts that no policy of the holder shows: never more than unknown from rights alone."""


@dataclass(frozen=True, slots=True)
class Step:
    """A right that a way needs: any of these actions, on all resources that `resource` describes."""

    actions: tuple[str, ...]
    resource: str = "*"
    passed_to: str = ""
    """For iam:PassRole: the service that gets the role."""
    own: bool = False
    """Whether oneself is enough of a resource."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to raise rights: all steps are needed."""

    name: str
    about: str
    steps: tuple[Step, ...]
    source: str
    strength: Strength = Strength.THROUGH
    needs_boundary: bool = False
    """Whether it is one only for a holder with a permissions boundary."""


ROLE, USER, GROUP = "arn:aws:iam::*:role/*", "arn:aws:iam::*:user/*", "arn:aws:iam::*:group/*"
POLICY = "arn:aws:iam::*:policy/*"


_ON_ONESELF = frozenset(
    f"iam:{verb}{kind}{what}"
    for verb, what in (("attach", "policy"), ("put", "policy"), ("delete", "permissionsboundary"), ("put", "permissionsboundary"))
    for kind in ("user", "role")
)
"""Actions that raise the one who does them to himself."""


def _one(action: str, resource: str) -> tuple[Step, ...]:
    return (Step((action,), resource, own=action in _ON_ONESELF),)


def _direct(action: str, resource: str, about: str, source: str = _RHINO) -> Way:
    return Way(f"iam:{action}", about, _one(f"iam:{action.lower()}", resource), source, Strength.DIRECT)


def _passing(name: str, service: str, about: str, *steps: tuple[str, ...] | str, source: str = _RHINO) -> Way:
    made = tuple(
        Step((each,) if isinstance(each, str) else each, _RESOURCES.get((each if isinstance(each, str) else each[0]).split(":")[0], "*"))
        for each in steps
    )
    return Way(f"iam:PassRole+{name}", about, (Step(("iam:passrole",), ROLE, service), *made), source, Strength.DIRECT)


_RESOURCES: Mapping[str, str] = {
    "ec2": "arn:aws:ec2:*:*:instance/*",
    "lambda": "arn:aws:lambda:*:*:function:*",
    "glue": "arn:aws:glue:*:*:job/*",
    "cloudformation": "arn:aws:cloudformation:*:*:stack/*",
    "codebuild": "arn:aws:codebuild:*:*:project/*",
    "ecs": "arn:aws:ecs:*:*:*",
    "states": "arn:aws:states:*:*:stateMachine:*",
    "sagemaker": "arn:aws:sagemaker:*:*:*",
}
"""What a launching right is held on, where a policy may name it; elsewhere everything is asked."""

WAYS: tuple[Way, ...] = (
    _direct("CreatePolicyVersion", POLICY, "writes a new version of a policy that it holds"),
    _direct("SetDefaultPolicyVersion", POLICY, "goes back to a version of its policy that held more"),
    _direct("CreateAccessKey", USER, "makes itself a key of another user"),
    _direct("CreateLoginProfile", USER, "gives another user a password"),
    _direct("UpdateLoginProfile", USER, "changes another user's password"),
    _direct("AttachUserPolicy", USER, "hangs any policy on a user"),
    _direct("AttachGroupPolicy", GROUP, "hangs any policy on a group"),
    _direct("AttachRolePolicy", ROLE, "hangs any policy on a role that it can use"),
    _direct("PutUserPolicy", USER, "writes an inline policy for a user"),
    _direct("PutGroupPolicy", GROUP, "writes an inline policy for a group"),
    _direct("PutRolePolicy", ROLE, "writes an inline policy for a role that it can use"),
    _direct("AddUserToGroup", GROUP, "joins a group that holds more"),
    _direct("UpdateAssumeRolePolicy", ROLE, "writes itself into the trust of a stronger role"),
    Way(
        "iam:DeleteRolePermissionsBoundary",
        "takes the bound off a role",
        _one("iam:deleterolepermissionsboundary", ROLE),
        _IAM + "access_policies_boundaries.html",
        Strength.DIRECT,
        needs_boundary=True,
    ),
    Way(
        "iam:DeleteUserPermissionsBoundary",
        "takes the bound off a user",
        _one("iam:deleteuserpermissionsboundary", USER),
        _IAM + "access_policies_boundaries.html",
        Strength.DIRECT,
        needs_boundary=True,
    ),
    Way(
        "iam:PutRolePermissionsBoundary",
        "puts a wider bound on a role",
        _one("iam:putrolepermissionsboundary", ROLE),
        _IAM + "access_policies_boundaries.html",
        Strength.DIRECT,
        needs_boundary=True,
    ),
    Way(
        "iam:PutUserPermissionsBoundary",
        "puts a wider bound on a user",
        _one("iam:putuserpermissionsboundary", USER),
        _IAM + "access_policies_boundaries.html",
        Strength.DIRECT,
        needs_boundary=True,
    ),
    Way(
        "iam:CreateServiceSpecificCredential",
        "makes itself a credential of another user",
        _one("iam:createservicespecificcredential", USER),
        _SAR + "awsidentityandaccessmanagementiam.html",
    ),
    _passing("ec2:RunInstances", "ec2.amazonaws.com", "starts an instance with a stronger role", "ec2:runinstances"),
    Way(
        "iam:PassRole+ec2:RequestSpotInstances",
        "starts a Spot Instance with a stronger role",
        (
            Step(("iam:passrole",), ROLE, "ec2.amazonaws.com"),
            Step(("ec2:requestspotinstances",), "arn:aws:ec2:*:*:spot-instances-request/*"),
        ),
        _SAR + "amazonec2.html",
        Strength.DIRECT,
    ),
    _passing(
        "ec2:AssociateIamInstanceProfile",
        "ec2.amazonaws.com",
        "gives a running instance a stronger role",
        ("ec2:associateiaminstanceprofile", "ec2:replaceiaminstanceprofileassociation"),
        source=_SAR + "amazonec2.html",
    ),
    _passing(
        "lambda:CreateFunction",
        "lambda.amazonaws.com",
        "runs its own code as a stronger role",
        "lambda:createfunction",
        ("lambda:invokefunction", "lambda:addpermission", "lambda:createeventsourcemapping", "lambda:createfunctionurlconfig"),
    ),
    _passing(
        "lambda:UpdateFunctionConfiguration",
        "lambda.amazonaws.com",
        "gives a function a stronger role",
        "lambda:updatefunctionconfiguration",
        source=_RHINO_2,
    ),
    _passing("glue:CreateDevEndpoint", "glue.amazonaws.com", "opens a shell with a stronger role", "glue:createdevendpoint"),
    _passing(
        "glue:CreateJob",
        "glue.amazonaws.com",
        "runs a job as a stronger role",
        "glue:createjob",
        ("glue:startjobrun", "glue:createtrigger"),
        source=_SAR + "awsglue.html",
    ),
    _passing(
        "glue:CreateSession",
        "glue.amazonaws.com",
        "opens an interactive session as a stronger role",
        "glue:createsession",
        source=_SAR + "awsglue.html",
    ),
    _passing(
        "cloudformation:CreateStack",
        "cloudformation.amazonaws.com",
        "has a stack made by a stronger role",
        ("cloudformation:createstack", "cloudformation:updatestack", "cloudformation:createchangeset", "cloudformation:createstackset"),
    ),
    _passing(
        "datapipeline:CreatePipeline",
        "datapipeline.amazonaws.com",
        "has a pipeline run as a stronger role",
        "datapipeline:createpipeline",
        "datapipeline:putpipelinedefinition",
    ),
    _passing(
        "sagemaker:CreateNotebookInstance",
        "sagemaker.amazonaws.com",
        "opens a notebook or a job with a stronger role",
        ("sagemaker:createnotebookinstance", "sagemaker:createtrainingjob", "sagemaker:createprocessingjob"),
        source=_RHINO_2,
    ),
    _passing(
        "codebuild:CreateProject",
        "codebuild.amazonaws.com",
        "builds as a stronger role",
        ("codebuild:createproject", "codebuild:updateproject"),
        ("codebuild:startbuild", "codebuild:startbuildbatch"),
        source=_SAR + "awscodebuild.html",
    ),
    _passing(
        "ecs:RegisterTaskDefinition",
        "ecs-tasks.amazonaws.com",
        "runs a container as a stronger role",
        "ecs:registertaskdefinition",
        ("ecs:runtask", "ecs:starttask", "ecs:createservice", "ecs:updateservice"),
        source=_SAR + "amazonelasticcontainerservice.html",
    ),
    _passing(
        "states:CreateStateMachine",
        "states.amazonaws.com",
        "runs a workflow as a stronger role",
        ("states:createstatemachine", "states:updatestatemachine"),
        ("states:startexecution", "states:startsyncexecution"),
        source=_SAR + "awsstepfunctions.html",
    ),
    _passing(
        "ssm:StartAutomationExecution",
        "ssm.amazonaws.com",
        "runs a document as a stronger role",
        ("ssm:startautomationexecution", "ssm:createassociation"),
        source=_SAR + "awssystemsmanager.html",
    ),
    _passing(
        "scheduler:CreateSchedule",
        "scheduler.amazonaws.com",
        "has any API called by a stronger role",
        ("scheduler:createschedule", "scheduler:updateschedule"),
        source=_SAR + "amazoneventbridgescheduler.html",
    ),
    _passing(
        "events:PutTargets",
        "events.amazonaws.com",
        "has a target called by a stronger role",
        "events:putrule",
        "events:puttargets",
        source=_SAR + "amazoneventbridge.html",
    ),
    _passing(
        "apprunner:CreateService",
        "tasks.apprunner.amazonaws.com",
        "runs a container as a stronger role",
        "apprunner:createservice",
        source=_SAR + "awsapprunner.html",
    ),
    _passing(
        "batch:RegisterJobDefinition",
        "ecs-tasks.amazonaws.com",
        "runs a job as a stronger role",
        "batch:registerjobdefinition",
        "batch:submitjob",
        source=_SAR + "awsbatch.html",
    ),
    _passing(
        "elasticmapreduce:RunJobFlow",
        "elasticmapreduce.amazonaws.com",
        "starts a cluster with a stronger role",
        "elasticmapreduce:runjobflow",
        source=_SAR + "amazonelasticmapreduce.html",
    ),
    _passing(
        "emr-serverless:StartJobRun",
        "emr-serverless.amazonaws.com",
        "runs a job as a stronger role",
        "emr-serverless:createapplication",
        "emr-serverless:startjobrun",
        source=_SAR + "amazonemrserverless.html",
    ),
    _passing(
        "eks:CreatePodIdentityAssociation",
        "pods.eks.amazonaws.com",
        "gives pods a stronger role",
        "eks:createpodidentityassociation",
        source=_SAR + "amazonelastickubernetesservice.html",
    ),
    _passing(
        "bedrock-agentcore:CreateCodeInterpreter",
        "bedrock-agentcore.amazonaws.com",
        "runs its own code as a stronger role",
        "bedrock-agentcore:createcodeinterpreter",
        ("bedrock-agentcore:startcodeinterpretersession", "bedrock-agentcore:invokecodeinterpreter"),
        source=_SAR + "amazonbedrockagentcore.html",
    ),
    Way(
        "lambda:UpdateFunctionCode",
        "runs its own code as the role of a function",
        _one("lambda:updatefunctioncode", _RESOURCES["lambda"]),
        _RHINO,
    ),
    Way(
        "lambda:UpdateFunctionConfiguration+layer",
        "slips a layer into a function",
        (
            Step(("lambda:updatefunctionconfiguration",), _RESOURCES["lambda"]),
            Step(("lambda:getlayerversion",), "arn:aws:lambda:*:*:layer:*"),
        ),
        _RHINO_2,
    ),
    Way(
        "ssm:SendCommand",
        "runs commands on instances that hold a role",
        _one("ssm:sendcommand", "arn:aws:ec2:*:*:instance/*"),
        _SAR + "awssystemsmanager.html",
    ),
    Way(
        "ssm:CreateAssociation",
        "has an association run commands on instances that hold a role",
        (Step(("ssm:createassociation", "ssm:updateassociation"), "arn:aws:ec2:*:*:instance/*"),),
        _SAR + "awssystemsmanager.html",
    ),
    Way(
        "ssm:StartSession",
        "opens a shell on instances that hold a role",
        _one("ssm:startsession", "arn:aws:ec2:*:*:instance/*"),
        _SAR + "awssystemsmanager.html",
    ),
    Way(
        "ec2-instance-connect:SendSSHPublicKey",
        "opens a shell on instances that hold a role",
        (
            Step(
                ("ec2-instance-connect:sendsshpublickey", "ec2-instance-connect:sendserialconsolesshpublickey"),
                "arn:aws:ec2:*:*:instance/*",
            ),
        ),
        _SAR + "amazonec2instanceconnect.html",
    ),
    Way(
        "ec2:ModifyInstanceAttribute",
        "has an instance run its user data",
        (
            Step(("ec2:modifyinstanceattribute",), "arn:aws:ec2:*:*:instance/*"),
            Step(("ec2:stopinstances",), "arn:aws:ec2:*:*:instance/*"),
            Step(("ec2:startinstances",), "arn:aws:ec2:*:*:instance/*"),
        ),
        _SAR + "amazonec2.html",
    ),
    Way(
        "glue:UpdateDevEndpoint",
        "puts its key on an endpoint that holds a role",
        _one("glue:updatedevendpoint", "arn:aws:glue:*:*:devEndpoint/*"),
        _RHINO,
    ),
    Way(
        "glue:UpdateJob",
        "rewrites a job that holds a role",
        (Step(("glue:updatejob",), _RESOURCES["glue"]), Step(("glue:startjobrun", "glue:createtrigger"), "*")),
        _SAR + "awsglue.html",
    ),
    Way(
        "codebuild:StartBuild",
        "builds with its own build steps as a project's role",
        (Step(("codebuild:startbuild", "codebuild:startbuildbatch"), _RESOURCES["codebuild"]),),
        _SAR + "awscodebuild.html",
    ),
    Way(
        "ecs:ExecuteCommand",
        "opens a shell in containers that hold a role",
        _one("ecs:executecommand", "arn:aws:ecs:*:*:task/*"),
        _SAR + "amazonelasticcontainerservice.html",
    ),
    Way(
        "elasticmapreduce:AddJobFlowSteps",
        "has a cluster that holds a role run its own steps",
        _one("elasticmapreduce:addjobflowsteps", "arn:aws:elasticmapreduce:*:*:cluster/*"),
        _SAR + "amazonelasticmapreduce.html",
    ),
    Way(
        "sagemaker:CreatePresignedNotebookInstanceUrl",
        "opens a notebook that holds a role",
        (Step(("sagemaker:createpresignednotebookinstanceurl", "sagemaker:createpresigneddomainurl"), _RESOURCES["sagemaker"]),),
        _RHINO_2,
    ),
    Way(
        "cloudformation:UpdateStack",
        "changes a stack that has a role",
        (Step(("cloudformation:updatestack", "cloudformation:createchangeset"), _RESOURCES["cloudformation"]),),
        _RHINO_2,
        Strength.DEPENDS,
    ),
    Way(
        "sts:AssumeRole",
        "takes a role that trusts the account",
        _one("sts:assumerole", ROLE),
        _IAM + "id_roles_use_permissions-to-switch.html",
        Strength.DEPENDS,
    ),
    Way(
        "sso:CreateAccountAssignment",
        "assigns itself a permission set",
        (Step(("sso:createaccountassignment",)),),
        _SAR + "awsiamidentitycenter.html",
        Strength.DIRECT,
    ),
    Way(
        "sso:PutInlinePolicyToPermissionSet",
        "widens a permission set that it holds",
        (
            Step(
                (
                    "sso:putinlinepolicytopermissionset",
                    "sso:attachmanagedpolicytopermissionset",
                    "sso:attachcustomermanagedpolicyreferencetopermissionset",
                )
            ),
        ),
        _SAR + "awsiamidentitycenter.html",
        Strength.DIRECT,
    ),
    Way(
        "identitystore:CreateGroupMembership",
        "joins a group of Identity Center",
        (Step(("identitystore:creategroupmembership",)),),
        _SAR + "awsidentitystore.html",
        Strength.DIRECT,
    ),
    Way(
        "iam:UpdateSAMLProvider",
        "has an identity provider of its own believed",
        (Step(("iam:updatesamlprovider",), "arn:aws:iam::*:saml-provider/*"),),
        _SAR + "awsidentityandaccessmanagementiam.html",
    ),
    Way(
        "iam:UpdateOpenIDConnectProvider",
        "has tokens of its own believed",
        (Step(("iam:updateopenidconnectproviderthumbprint", "iam:addclientidtoopenidconnectprovider"), "arn:aws:iam::*:oidc-provider/*"),),
        _SAR + "awsidentityandaccessmanagementiam.html",
        Strength.DEPENDS,
    ),
    Way(
        "eks:AssociateAccessPolicy",
        "makes itself administrator of a cluster whose pods hold roles",
        (Step(("eks:createaccessentry", "eks:updateaccessentry"), "arn:aws:eks:*:*:cluster/*"), Step(("eks:associateaccesspolicy",), "*")),
        _SAR + "amazonelastickubernetesservice.html",
        Strength.DEPENDS,
    ),
    _passing(
        "cognito-identity:SetIdentityPoolRoles",
        "cognito-identity.amazonaws.com",
        "gives identities of a pool a stronger role",
        "cognito-identity:setidentitypoolroles",
        source=_SAR + "amazoncognitoidentity.html",
    ),
)
"""Every way, by a name that stays taken."""

CORE = tuple(
    each
    for each in WAYS
    if each.strength is Strength.DIRECT and each.name.startswith("iam:") and "+" not in each.name and not each.needs_boundary
)
"""The ways that all of IAM opens."""
