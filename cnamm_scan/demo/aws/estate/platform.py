"""What runs and how it gets there: functions, containers, APIs, stacks, pipelines."""

from __future__ import annotations

import json
from typing import Any

from cnamm_scan.demo.aws.estate.account import (
    ACCOUNT,
    AWAY,
    DEV,
    HOME,
    OWNED,
    PLANTED,
    Aws,
    code_zip,
    policy,
    role_arn,
    tags,
)
from cnamm_scan.demo.aws.estate.network import Network

QUEUE = f"arn:aws:sqs:{HOME}:{ACCOUNT}:orders"
DEAD_QUEUE = f"arn:aws:sqs:{HOME}:{ACCOUNT}:orders-dead"


def seed_functions(aws: Aws, networks: dict[str, Network], keys: dict[str, str]) -> None:
    """Lambda functions, old and new; state machines; APIs."""
    functions = aws("lambda")
    home = networks[HOME]
    _function(
        functions,
        "orders-api",
        "python3.13",
        VpcConfig={"SubnetIds": [home.subnets[1]], "SecurityGroupIds": [home.inner]},
        TracingConfig={"Mode": "Active"},
        DeadLetterConfig={"TargetArn": DEAD_QUEUE},
        KMSKeyArn=keys["data"],
        Environment={"Variables": {"TABLE": "orders"}},
        Tags=OWNED,
    )
    _function(
        functions,
        "thumbnails",
        "python3.8",
        Environment={"Variables": {"BUCKET": "shop-uploads", "API_TOKEN": PLANTED["lambda-environment"]}},
    )
    _function(functions, "mailer", "nodejs22.x", Tags=OWNED)
    functions.add_permission(FunctionName="thumbnails", StatementId="open", Action="lambda:InvokeFunction", Principal="*")
    functions.put_function_concurrency(FunctionName="orders-api", ReservedConcurrentExecutions=50)
    functions.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="mailer", BatchSize=10)
    abroad = aws("lambda", AWAY)
    _function(abroad, "webhooks", "nodejs16.x")
    abroad.create_function_url_config(FunctionName="webhooks", AuthType="NONE")
    _state_machines(aws)
    _apis(aws)


def _function(functions: Any, name: str, runtime: str, **more: Any) -> None:
    functions.create_function(
        FunctionName=name,
        Runtime=runtime,
        Role=role_arn("lambda-orders"),
        Handler="main.handler",
        Code={"ZipFile": code_zip()},
        **more,
    )


def _state_machines(aws: Aws) -> None:
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    states = aws("stepfunctions")
    log = f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:/states/fulfil:*"
    states.create_state_machine(
        name="fulfil",
        definition=definition,
        roleArn=role_arn("states"),
        tracingConfiguration={"enabled": True},
        loggingConfiguration={
            "level": "ALL",
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": log}}],
        },
    )
    states.create_state_machine(name="refund", definition=definition, roleArn=role_arn("states"))


def _apis(aws: Aws) -> None:
    rest = aws("apigateway")
    api = rest.create_rest_api(name="shop", tags=OWNED)["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    rest.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    rest.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK", integrationHttpMethod="GET")
    rest.create_deployment(restApiId=api, stageName="live")
    http = aws("apigatewayv2")
    made = http.create_api(Name="shop-http", ProtocolType="HTTP")["ApiId"]
    http.create_stage(ApiId=made, StageName="$default", AutoDeploy=True)
    pools = aws("cognito-idp")
    pools.create_user_pool(PoolName="customers", MfaConfiguration="OFF")
    front = aws("cloudfront")
    front.create_distribution(DistributionConfig=_distribution("shop-website", "allow-all"))
    front.create_distribution(DistributionConfig=_distribution("shop-media", "redirect-to-https"))


def _distribution(name: str, viewers: str) -> dict[str, Any]:
    origin = {
        "Id": name,
        "DomainName": f"{name}.s3.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    return {
        "CallerReference": name,
        "Comment": name,
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": name,
            "ViewerProtocolPolicy": viewers,
            "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
            "TrustedSigners": {"Enabled": False, "Quantity": 0},
            "MinTTL": 0,
        },
    }


def seed_containers(aws: Aws, networks: dict[str, Network], keys: dict[str, str]) -> None:
    """Registries, ECS and EKS: one workload hardened, one privileged."""
    _registries(aws, keys)
    home = networks[HOME]
    ecs = aws("ecs")
    ecs.create_cluster(
        clusterName="shop",
        settings=[{"name": "containerInsights", "value": "enabled"}],
        tags=tags(OWNED, "key", "value"),
    )
    ecs.create_cluster(clusterName="batch")
    ecs.register_task_definition(
        family="api",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        taskRoleArn=role_arn("ecs-task"),
        executionRoleArn=role_arn("ecs-execution"),
        containerDefinitions=[
            {
                "name": "api",
                "image": f"{ACCOUNT}.dkr.ecr.{HOME}.amazonaws.com/shop/api@sha256:{'ab' * 32}",
                "essential": True,
                "readonlyRootFilesystem": True,
                "privileged": False,
                "user": "1000",
                "portMappings": [{"containerPort": 8080}],
                "healthCheck": {"command": ["CMD", "true"]},
                "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/api"}},
                "secrets": [{"name": "DB", "valueFrom": _secret("shop/database")}],
            }
        ],
        tags=tags(OWNED, "key", "value"),
    )
    ecs.register_task_definition(
        family="agent",
        networkMode="host",
        pidMode="host",
        requiresCompatibilities=["EC2"],
        containerDefinitions=[
            {
                "name": "agent",
                "image": "example/agent:latest",
                "memory": 128,
                "essential": True,
                "privileged": True,
                "environment": [{"name": "API_TOKEN", "value": PLANTED["ecs-environment"]}],
            }
        ],
    )
    ecs.create_service(
        cluster="shop",
        serviceName="api",
        taskDefinition="api",
        desiredCount=2,
        launchType="FARGATE",
        deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": [home.subnets[1]],
                "securityGroups": [home.inner],
                "assignPublicIp": "DISABLED",
            }
        },
        tags=tags(OWNED, "key", "value"),
    )
    ecs.create_service(cluster="batch", serviceName="agent", taskDefinition="agent", desiredCount=1, launchType="EC2")
    _kubernetes(aws, home, keys)


def _secret(name: str) -> str:
    return f"arn:aws:secretsmanager:{HOME}:{ACCOUNT}:secret:{name}"


def _registries(aws: Aws, keys: dict[str, str]) -> None:
    ecr = aws("ecr")
    ecr.create_repository(
        repositoryName="shop/api",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "KMS", "kmsKey": keys["data"]},
        tags=tags(OWNED),
    )
    expire = {
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 30,
        "tagStatus": "untagged",
    }
    ecr.put_lifecycle_policy(
        repositoryName="shop/api",
        lifecyclePolicyText=json.dumps({"rules": [{"rulePriority": 1, "selection": expire, "action": {"type": "expire"}}]}),
    )
    ecr.create_repository(repositoryName="shop/web")
    ecr.set_repository_policy(
        repositoryName="shop/web",
        policyText=policy({"Principal": "*", "Action": "ecr:BatchGetImage", "Resource": "*"}),
    )
    aws("ecr", AWAY).create_repository(repositoryName="shop/worker")
    for name, digit in (("shop/api", "a"), ("shop/web", "b")):
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"digest": f"sha256:{digit * 64}", "size": 7},
            "layers": [],
        }
        ecr.put_image(repositoryName=name, imageManifest=json.dumps(manifest), imageTag="v1")


def _kubernetes(aws: Aws, network: Network, keys: dict[str, str]) -> None:
    eks = aws("eks")
    eks.create_cluster(
        name="shop",
        version="1.30",
        roleArn=role_arn("eks-cluster"),
        resourcesVpcConfig={
            "subnetIds": list(network.subnets),
            "endpointPublicAccess": True,
            "endpointPrivateAccess": False,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        logging={"clusterLogging": [{"types": ["api"], "enabled": True}]},
        encryptionConfig=[{"resources": ["secrets"], "provider": {"keyArn": keys["data"]}}],
        tags=OWNED,
    )
    eks.create_nodegroup(
        clusterName="shop",
        nodegroupName="general",
        subnets=[network.subnets[1]],
        nodeRole=role_arn("eks-node"),
    )


STACK: dict[str, Any] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Description": "Mail for the shop",
    "Parameters": {
        "Stage": {"Type": "String", "Default": "live"},
        "ApiToken": {"Type": "String"},  # should say NoEcho
    },
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "stack-mail"}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "stack-mail"}},
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "stack-mail-attachments",
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "stack-mail",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "stack-mail",
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
            },
        },
    },
    "Outputs": {"Password": {"Value": PLANTED["stack-output"]}, "Queue": {"Value": {"Ref": "Queue"}}},
}

SMALL_STACK: dict[str, Any] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "stack-eu-jobs"}},
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "/stack/eu-jobs", "RetentionInDays": 30},
        },
    },
}


def seed_delivery(aws: Aws) -> None:
    """Stacks, pipelines and builds: how changes get in."""
    stacks = aws("cloudformation")
    stacks.create_stack(
        StackName="shop-mail",
        TemplateBody=json.dumps(STACK),
        Parameters=[{"ParameterKey": "ApiToken", "ParameterValue": PLANTED["stack-parameter"]}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        EnableTerminationProtection=True,
        Tags=tags(OWNED),
    )
    aws("cloudformation", AWAY).create_stack(StackName="eu-jobs", TemplateBody=json.dumps(SMALL_STACK))
    builds = aws("codebuild")
    for name, is_privileged, variables in (
        ("shop-build", False, []),
        (
            "legacy-build",
            True,
            [{"name": "NPM_TOKEN", "value": PLANTED["codebuild-environment"], "type": "PLAINTEXT"}],
        ),
    ):
        builds.create_project(
            name=name,
            source={"type": "CODECOMMIT", "location": f"https://example.com/{name}"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
                "privilegedMode": is_privileged,
                "environmentVariables": variables,
            },
            serviceRole=role_arn("service-role/codebuild"),
            tags=tags(OWNED if not is_privileged else DEV, "key", "value"),
        )
    aws("codecommit").create_repository(repositoryName="shop", repositoryDescription="demo")
    aws("codedeploy").create_application(applicationName="shop", computePlatform="Lambda")
    aws("codepipeline").create_pipeline(pipeline=_pipeline())


def _pipeline() -> dict[str, Any]:
    def stage(name: str, category: str, provider: str, settings: dict[str, str]) -> dict[str, Any]:
        action = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
        return {
            "name": name,
            "actions": [{"name": name, "actionTypeId": action, "configuration": settings, "runOrder": 1}],
        }

    return {
        "name": "shop",
        "roleArn": role_arn("service-role/codepipeline"),
        "version": 1,
        "artifactStore": {"type": "S3", "location": "build-scratch"},
        "stages": [
            stage("Source", "Source", "S3", {"S3Bucket": "build-scratch", "S3ObjectKey": "shop.zip"}),
            stage("Build", "Build", "CodeBuild", {"ProjectName": "shop-build"}),
            stage("Approve", "Approval", "Manual", {}),
        ],
    }
