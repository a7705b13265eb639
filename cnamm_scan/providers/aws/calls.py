"""Which operations of AWS a collector may name: those that read, and what they read is how things are kept, not what is kept.

A scan runs with rights that may be an administrator's, asks whatever a pack names, and lays the answers into a bundle that is handed on.
The names are held against the operations and the members marked sensitive in botocore's own description, and the API references.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cnamm_scan.model import Call

_READS = re.compile(r"(Batch)?(Get|List|Describe|Lookup|Search|Select|Head|Simulate)(?![a-z])")
"""How the operations begin that read."""
_CREDENTIALS = re.compile(
    r"(Batch)?Get\w*(SecretValue|Credentials?|Token|PasswordData|UserPassword|ChallengePassword"
    r"|ResourceApiKey|StreamKey|EmbedUrl|DownloadUrl)"
    r"|Get\w*Credentials(For|With)\w+|GetOpenIdTokenFor\w+|GetWorkloadAccessTokenFor\w+|GetTokensFrom\w+"
)
"""The names of operations whose answer is a credential, of whatever service: those of services to come are called so too."""
_NO_CREDENTIALS = frozenset({"GetChangeToken"})
"""What is called like one and is none: the number by which changes of WAF are kept apart."""
_KEPT: Mapping[str, str] = {
    "secrets": """
        apigateway:GetUsagePlanKey apigateway:GetUsagePlanKeys appsync:ListApiKeys chime-sdk-meetings:GetAttendee
        chime-sdk-meetings:ListAttendees cloudwatchomni:GetSpaceDataAccess codepipeline:GetJobDetails codepipeline:GetThirdPartyJobDetails
        cognito-idp:ListUserPoolClientSecrets ec2:GetVpnConnectionDeviceSampleConfiguration emr:GetSessionEndpoint
        emr-serverless:GetSessionEndpoint glue:GetSessionEndpoint gamelift:GetComputeAccess gamelift:GetInstanceAccess
        lightsail:GetBucketAccessKeys lightsail:GetInstanceAccessDetails s3control:GetDataAccess
        snowball:GetJobManifest snowball:GetJobUnlockCode storagegateway:DescribeChapCredentials wickr:GetOidcInfo wickr:GetOpentdfConfig
    """,
    # a parameter that is no SecureString is often a secret all the same
    "the values of parameters": "ssm:GetParameter ssm:GetParameterHistory ssm:GetParameters ssm:GetParametersByPath",
    "a link to code, open to whoever has it": """
        ecr:GetDownloadUrlForLayer lambda:GetFunction lambda:GetLayerVersion lambda:GetLayerVersionByArn
    """,
    "what is stored, not how": """
        appconfig:GetConfiguration appconfig:GetHostedConfigurationVersion appconfigdata:GetLatestConfiguration athena:GetQueryResults
        cloudfront-keyvaluestore:GetKey cloudfront-keyvaluestore:ListKeys cloudtrail:GetQueryResults codeartifact:GetPackageVersionAsset
        codecommit:GetBlob codecommit:GetFile dynamodb:BatchGetItem dynamodb:GetItem dynamodbstreams:GetRecords ebs:GetSnapshotBlock
        ec2:GetConsoleOutput ec2:GetConsoleScreenshot glacier:GetJobOutput glue:GetEntityRecords iot-data:GetRetainedMessage
        iot-data:GetThingShadow keyspacesstreams:GetRecords kinesis:GetRecords kinesis-video-archived-media:GetClip
        kinesis-video-archived-media:GetMediaForFragmentList kinesis-video-media:GetMedia lakeformation:GetWorkUnitResults
        logs:GetLogEvents logs:GetLogRecord logs:GetQueryResults macie2:GetSensitiveDataOccurrences mediastore-data:GetObject
        redshift-data:GetStatementResult redshift-data:GetStatementResultV2 s3:GetObject s3:GetObjectTorrent s3:SelectObjectContent
        sagemaker-featurestore-runtime:BatchGetRecord sagemaker-featurestore-runtime:GetRecord workmailmessageflow:GetRawMessageContent
    """,
}
_HANDS_OUT = {operation: what for what, operations in _KEPT.items() for operation in operations.split()}
"""Operations that are called like many that hand out nothing, by what they hand out."""
_HIDES: Mapping[str, str] = {"glue:GetConnection": "HidePassword", "glue:GetConnections": "HidePassword"}
"""The parameter that must be said, and true, for passwords to stay out of the answer."""
_SHOWS: Mapping[str, str] = {"apigateway:GetApiKey": "includeValue", "apigateway:GetApiKeys": "includeValues"}
"""The parameter that must not be said: it brings the keys themselves into the answer."""


def problem(call: Call, client: str) -> tuple[str, str] | None:
    """What is wrong with an operation that may do more than read, or reads what no bundle may hold; None when nothing is."""
    if call.call is None:
        return None
    client, operation = call.of(client)
    asked = f"{client}:{operation}"
    if not _READS.match(operation):
        return f"operation '{operation}' may do more than read", "name one that begins with Get, List, Describe, Lookup, Search or Select"
    is_credential = operation not in _NO_CREDENTIALS and _CREDENTIALS.fullmatch(operation) is not None
    what = "secrets" if is_credential else _HANDS_OUT.get(asked)
    if what is not None:
        return f"operation '{operation}' hands out {what}", "name one that says how they are kept, not what they are"
    said = {*call.with_, *call.many, *call.fixed}
    hides, shows = _HIDES.get(asked), _SHOWS.get(asked)
    if hides is not None and (call.fixed.get(hides) is not True or hides in {*call.with_, *call.many}):
        return f"operation '{operation}' hands out passwords", f"write fixed: {{{hides}: true}}"
    if shows in said:
        return f"operation '{operation}' with '{shows}' hands out keys", f"leave out {shows}"
    return None
