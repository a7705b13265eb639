"""Who watches: trails, recorders, detectors, alarms, logs, budgets, experiments."""

from __future__ import annotations

import json
from typing import Any

from cnamm_scan.demo.aws.estate.account import ACCOUNT, AWAY, HOME, OWNED, Aws, role_arn, tags

LOG_GROUPS: dict[str, dict[str, tuple[int | None, bool]]] = {  # region -> name -> (days kept, encrypted)
    HOME: {
        "/aws/cloudtrail": (365, True),
        "/vpc/shop": (90, False),
        "/aws/lambda/orders-api": (30, False),
        "/aws/lambda/thumbnails": (None, False),
        "/ecs/api": (30, False),
        "/states/fulfil": (None, False),
        "/legacy/batch": (None, False),
    },
    AWAY: {"/aws/lambda/webhooks": (None, False), "/ecs/worker": (14, False)},
}

PLANS = ("S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS", "RUNTIME_MONITORING")
"""What GuardDuty offers: a detector lists each plan, switched on or not."""
_LINES = ["logs:CreateLogStream", "logs:PutLogEvents"]
LOG_POLICIES: dict[str, dict[str, Any]] = {  # bound to the account, bound to nothing, and for a vendor's support to everybody
    "log-delivery": {
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": _LINES,
        "Resource": f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/vpc/shop:*",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    },
    "search-slow-logs": {
        "Principal": {"Service": "es.amazonaws.com"},
        "Action": _LINES,
        "Resource": f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/aws/opensearch/*",
    },
    "batch-support": {
        "Principal": "*",
        "Action": ["logs:GetLogEvents", *_LINES],
        "Resource": f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/legacy/batch:*",
    },
}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


def seed_trails(aws: Aws, keys: dict[str, str]) -> None:
    """Log groups, a trail for all regions, and one abroad that was switched off."""
    for region, groups in LOG_GROUPS.items():
        logs = aws("logs", region)
        for name, (days, is_encrypted) in groups.items():
            more = {"kmsKeyId": keys["logs"]} if is_encrypted else {}
            logs.create_log_group(logGroupName=name, tags=OWNED if days else {}, **more)
            if days:
                logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    for name, statement in LOG_POLICIES.items():
        aws("logs").put_resource_policy(policyName=name, policyDocument=_policy(statement))
    trail = aws("cloudtrail")
    trail.create_trail(
        Name="organisation",
        S3BucketName="shop-trail",
        IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
        IncludeGlobalServiceEvents=True,
        KmsKeyId=keys["logs"],
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/aws/cloudtrail:*",
        CloudWatchLogsRoleArn=role_arn("cloudtrail-logs"),
        TagsList=tags(OWNED),
    )
    trail.put_event_selectors(
        TrailName="organisation",
        EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}],
    )
    trail.start_logging(Name="organisation")
    aws("cloudtrail", AWAY).create_trail(Name="old-eu", S3BucketName="shop-eu-exports")


def seed_detection(aws: Aws) -> None:
    """Config, GuardDuty, Security Hub and Inspector: at home only."""
    config = aws("config")
    config.put_configuration_recorder(
        ConfigurationRecorder={
            "name": "default",
            "roleARN": role_arn("config-recorder"),
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
        }
    )
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "shop-config"})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    for name in ("S3_BUCKET_VERSIONING_ENABLED", "ENCRYPTED_VOLUMES"):
        config.put_config_rule(
            ConfigRule={
                "ConfigRuleName": name.lower().replace("_", "-"),
                "Source": {"Owner": "AWS", "SourceIdentifier": name},
            }
        )
    aws("guardduty").create_detector(
        Enable=True,
        FindingPublishingFrequency="FIFTEEN_MINUTES",
        Features=[{"Name": name, "Status": "ENABLED" if name == "S3_DATA_EVENTS" else "DISABLED"} for name in PLANS],
        Tags=OWNED,
    )
    hub = aws("securityhub")
    hub.enable_security_hub(EnableDefaultStandards=True)
    hub.batch_import_findings(Findings=[_finding("root-key", "CRITICAL", "NEW"), _finding("old-tls", "MEDIUM", "RESOLVED")])
    aws("inspector2").enable(accountIds=[ACCOUNT], resourceTypes=["EC2", "ECR"])
    aws("macie2").enable_macie(status="PAUSED", findingPublishingFrequency="SIX_HOURS")


def _finding(name: str, severity: str, workflow: str) -> dict[str, Any]:
    product = f"arn:aws:securityhub:{HOME}:{ACCOUNT}:product/{ACCOUNT}/default"
    return {
        "SchemaVersion": "2018-10-08",
        "Id": name,
        "ProductArn": product,
        "GeneratorId": "demo",
        "AwsAccountId": ACCOUNT,
        "Types": ["Software and Configuration Checks"],
        "CreatedAt": "2026-01-05T08:00:00Z",
        "UpdatedAt": "2026-06-01T08:00:00Z",
        "Severity": {"Label": severity},
        "Title": name,
        "Description": "demo",
        "Workflow": {"Status": workflow},
        "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{ACCOUNT}"}],
    }


def seed_alarms(aws: Aws, alerts: str) -> None:
    """Alarms that reach somebody and alarms that do not; metric filters; dashboards; event rules."""
    watch = aws("cloudwatch")
    for name, metric, actions in (
        ("root-login", "RootLogin", [alerts]),
        ("orders-errors", "Errors", [alerts]),
        ("orders-latency", "Latency", []),
        ("queue-depth", "ApproximateNumberOfMessagesVisible", [alerts]),
        ("disk", "DiskUsed", []),
    ):
        _alarm(watch, name, metric, actions)
    _alarm(aws("cloudwatch", AWAY), "webhooks-errors", "Errors", [])
    body = {"widgets": [{"type": "text", "x": 0, "y": 0, "properties": {"markdown": "demo"}}]}
    watch.put_dashboard(DashboardName="shop", DashboardBody=json.dumps(body))
    aws("logs").put_metric_filter(
        logGroupName="/aws/cloudtrail",
        filterName="root-login",
        filterPattern='{ $.userIdentity.type = "Root" }',
        metricTransformations=[{"metricName": "RootLogin", "metricNamespace": "Shop", "metricValue": "1"}],
    )
    _events(aws, alerts)


def _alarm(watch: Any, name: str, metric: str, actions: list[str]) -> None:
    watch.put_metric_alarm(
        AlarmName=name,
        Namespace="Shop",
        MetricName=metric,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=actions,
        ActionsEnabled=True,
        Tags=tags(OWNED if actions else {}),
    )


def _events(aws: Aws, alerts: str) -> None:
    events = aws("events")
    events.put_rule(Name="findings", EventPattern=json.dumps({"source": ["aws.guardduty"]}), State="ENABLED")
    events.put_targets(Rule="findings", Targets=[{"Id": "alerts", "Arn": alerts}])
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)", State="ENABLED")
    function = f"arn:aws:lambda:{HOME}:{ACCOUNT}:function:mailer"
    events.put_targets(Rule="nightly", Targets=[{"Id": "mailer", "Arn": function}])
    events.put_rule(Name="leads-nowhere", ScheduleExpression="rate(1 hour)", State="DISABLED")
    events.put_permission(EventBusName="default", Action="events:PutEvents", Principal="210987654321", StatementId="audit")
    bus = events.create_event_bus(Name="shop")["EventBusArn"]
    anybody = {"Sid": "partners", "Principal": "*", "Action": "events:PutEvents", "Resource": bus}
    events.put_permission(EventBusName="shop", Policy=_policy(anybody))
    aws("scheduler").create_schedule(
        Name="stop-dev-at-night",
        ScheduleExpression="cron(0 20 * * ? *)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function, "RoleArn": role_arn("scheduler")},
    )


def seed_money(aws: Aws) -> None:
    """A budget with a notification, one without; a cost category."""
    budgets = aws("budgets")
    over = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
    told = [{"SubscriptionType": "EMAIL", "Address": "finance@example.com"}]
    for name, notified in (
        ("monthly", [{"Notification": over, "Subscribers": told}]),
        ("quarterly", []),
    ):
        budgets.create_budget(
            AccountId=ACCOUNT,
            Budget={
                "BudgetName": name,
                "BudgetLimit": {"Amount": "5000", "Unit": "USD"},
                "TimeUnit": name.upper(),
                "BudgetType": "COST",
            },
            NotificationsWithSubscribers=notified,
        )
    team = {"Tags": {"Key": "Owner", "Values": ["shop-team"]}}
    aws("ce").create_cost_category_definition(Name="team", RuleVersion="CostCategoryExpression.v1", Rules=[{"Value": "shop", "Rule": team}])


def seed_operations(aws: Aws) -> None:
    """Experiments, canaries, contacts, documents, maintenance windows."""
    aws("fis").create_experiment_template(
        clientToken="demo",
        description="stop one instance of the shop",
        roleArn=role_arn("fis"),
        stopConditions=[
            {
                "source": "aws:cloudwatch:alarm",
                "value": f"arn:aws:cloudwatch:{HOME}:{ACCOUNT}:alarm:orders-errors",
            }
        ],
        targets={
            "one": {
                "resourceType": "aws:ec2:instance",
                "selectionMode": "COUNT(1)",
                "resourceTags": {"Environment": "production"},
            }
        },
        actions={"stop": {"actionId": "aws:ec2:stop-instances", "targets": {"Instances": "one"}}},
        tags=OWNED,
    )
    aws("account").put_alternate_contact(
        AlternateContactType="SECURITY",
        EmailAddress="security@example.com",
        Name="Security",
        PhoneNumber="+1 555 0100",
        Title="Team",
    )
    ssm = aws("ssm")
    ssm.create_document(
        Name="restart-api",
        DocumentType="Command",
        DocumentFormat="JSON",
        Content=json.dumps({"schemaVersion": "2.2", "description": "demo", "mainSteps": []}),
    )
    ssm.create_maintenance_window(Name="sunday", Schedule="cron(0 4 ? * SUN *)", Duration=3, Cutoff=1, AllowUnassociatedTargets=False)
    ssm.create_patch_baseline(Name="linux", OperatingSystem="AMAZON_LINUX_2")
    aws("resource-groups").create_group(
        Name="shop",
        ResourceQuery={
            "Type": "TAG_FILTERS_1_0",
            "Query": json.dumps(
                {
                    "ResourceTypeFilters": ["AWS::AllSupported"],
                    "TagFilters": [{"Key": "Owner", "Values": ["shop-team"]}],
                }
            ),
        },
    )
