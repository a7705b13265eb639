"""Where data lies: buckets, keys, databases, secrets, queues, backups."""

from __future__ import annotations

import datetime
import json
from importlib import import_module
from typing import Any

from cnamm_scan.demo.aws.estate.account import (
    ACCOUNT,
    AWAY,
    DEV,
    HOME,
    OWNED,
    PLANTED,
    REGIONS,
    Aws,
    policy,
    tags,
)
from cnamm_scan.demo.aws.estate.network import Network

# name -> (region, traits); the traits are the keys of _TRAITS below
BUCKETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "shop-logs": (HOME, ("aes", "block", "lifecycle", "owned", "log-target")),
    "shop-invoices": (HOME, ("kms", "versioned", "block", "tls-only", "logged", "lifecycle", "owned")),
    "shop-trail": (HOME, ("aes", "block", "versioned", "trail")),
    "shop-config": (HOME, ("aes", "block")),
    "shop-website": (HOME, ("public-policy", "website")),
    "shop-terraform-state": (HOME, ("aes", "versioned", "block", "state", "owned")),
    "shop-uploads": (HOME, ("aes", "cors", "secret-tag")),
    "shop-legacy": (HOME, ("public-acl",)),
    "shop-backups": (HOME, ("kms", "versioned", "block", "tls-only", "logged", "owned")),
    "build-scratch": (HOME, ("dev",)),
    "shop-eu-orders": (AWAY, ("aes", "versioned", "block", "tls-only", "owned")),
    "shop-eu-exports": (AWAY, ("suspended",)),
    "eu-scratch": (AWAY, ("dev", "block")),
}
BLOCK = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def seed_keys(aws: Aws) -> dict[str, str]:
    """KMS keys by a short name: some rotate, one is shared with the world, one is being deleted."""
    made: dict[str, str] = {}
    for name, region, rotates in (
        ("data", HOME, True),
        ("logs", HOME, True),
        ("legacy", HOME, False),
        ("doomed", HOME, False),
        ("shared", HOME, True),
        ("data", AWAY, True),
        ("exports", AWAY, False),
    ):
        kms = aws("kms", region)
        owned = tags(OWNED if rotates else {}, "TagKey", "TagValue")
        key = kms.create_key(Description=f"demo {name}", Tags=owned)["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName=f"alias/shop-{name}", TargetKeyId=key)
        if rotates:
            kms.enable_key_rotation(KeyId=key)
        made[name if region == HOME else f"{AWAY}/{name}"] = key
    kms = aws("kms")
    kms.create_key(Description="demo signing", KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    kms.put_key_policy(
        KeyId=made["shared"],
        PolicyName="default",
        Policy=policy({"Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}),
    )
    kms.schedule_key_deletion(KeyId=made["doomed"].rpartition("/")[2], PendingWindowInDays=7)
    return made


def seed_buckets(aws: Aws, keys: dict[str, str]) -> None:
    """Buckets, from well kept to public; the account's own block is only half closed."""
    for name, (region, traits) in BUCKETS.items():
        s3 = aws("s3", region)
        if region == HOME:
            s3.create_bucket(Bucket=name)
        else:
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
        for trait in traits:
            _give(s3, name, trait, keys)
    aws("s3control").put_public_access_block(
        AccountId=ACCOUNT,
        PublicAccessBlockConfiguration={name: name != "RestrictPublicBuckets" for name in BLOCK},
    )


def _give(s3: Any, name: str, trait: str, keys: dict[str, str]) -> None:
    on = f"arn:aws:s3:::{name}"
    match trait:
        case "aes" | "kms":
            rule: dict[str, Any] = {"SSEAlgorithm": "AES256"}
            if trait == "kms":
                rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": keys["data"]}
            s3.put_bucket_encryption(
                Bucket=name,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": trait == "kms"}]
                },
            )
        case "versioned" | "suspended":
            status = "Enabled" if trait == "versioned" else "Suspended"
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
        case "block":
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(BLOCK, True))
        case "tls-only":
            _put_policy(s3, name, _tls_only(on))
        case "trail":
            _put_policy(s3, name, _writer(on, "cloudtrail.amazonaws.com"), _tls_only(on))
        case "public-policy":
            _put_policy(s3, name, {"Principal": "*", "Action": "s3:GetObject", "Resource": f"{on}/*"})
        case "public-acl":
            s3.put_bucket_acl(Bucket=name, ACL="public-read")
        case "log-target":
            s3.put_bucket_acl(Bucket=name, ACL="log-delivery-write")
        case "logged":
            target = {"TargetBucket": "shop-logs", "TargetPrefix": f"{name}/"}
            s3.put_bucket_logging(Bucket=name, BucketLoggingStatus={"LoggingEnabled": target})
        case "lifecycle":
            _put_lifecycle(s3, name)
        case "website":
            s3.put_bucket_website(Bucket=name, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
        case "cors":
            s3.put_bucket_cors(
                Bucket=name,
                CORSConfiguration={"CORSRules": [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"]}]},
            )
        case "state":
            state = {"version": 4, "terraform_version": "1.9.0", "serial": 17, "resources": []}
            s3.put_object(Bucket=name, Key="shop/terraform.tfstate", Body=json.dumps(state).encode())
        case _:
            pairs = {"owned": OWNED, "dev": DEV, "secret-tag": {"Note": PLANTED["bucket-tag"]}}[trait]
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags(pairs)})


def _tls_only(on: str) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [on, f"{on}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _writer(on: str, service: str) -> dict[str, Any]:
    return {"Principal": {"Service": service}, "Action": ["s3:PutObject", "s3:GetBucketAcl"], "Resource": on}


def _put_policy(s3: Any, name: str, *statements: dict[str, Any]) -> None:
    s3.put_bucket_policy(Bucket=name, Policy=policy(*statements))


def _put_lifecycle(s3: Any, name: str) -> None:
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "age",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}],
                    "Expiration": {"Days": 365},
                }
            ]
        },
    )


def seed_databases(aws: Aws, keys: dict[str, str], networks: dict[str, Network]) -> None:
    """RDS, DynamoDB, EFS, ElastiCache, OpenSearch, Redshift, Kinesis."""
    for region in REGIONS:
        rds = aws("rds", region)
        network = networks[region]
        rds.create_db_subnet_group(DBSubnetGroupName="shop", DBSubnetGroupDescription="demo", SubnetIds=list(network.subnets))
        _rds(rds, region, keys, network)
        _dynamodb(aws("dynamodb", region), region, keys)
    _file_systems(aws, networks)
    cache = aws("elasticache")
    cache.create_replication_group(
        ReplicationGroupId="shop-carts",
        ReplicationGroupDescription="demo",
        Engine="redis",
        NumCacheClusters=2,
        CacheNodeType="cache.t4g.micro",
        AutomaticFailoverEnabled=True,
        AtRestEncryptionEnabled=True,
        TransitEncryptionEnabled=True,
    )
    cache.create_cache_cluster(CacheClusterId="old-cache", Engine="memcached", NumCacheNodes=1, CacheNodeType="cache.t3.micro")
    search = aws("opensearch")
    search.create_domain(
        DomainName="shop-search",
        EngineVersion="OpenSearch_2.11",
        EncryptionAtRestOptions={"Enabled": True},
        NodeToNodeEncryptionOptions={"Enabled": True},
        DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07"},
    )
    search.create_domain(DomainName="old-logs", EngineVersion="OpenSearch_1.0")
    aws("redshift").create_cluster(
        ClusterIdentifier="reports",
        NodeType="ra3.large",
        MasterUsername="demo",
        MasterUserPassword="Demo-only-1",
        Encrypted=False,
        PubliclyAccessible=True,
    )
    stream = aws("kinesis")
    for name in ("clicks", "orders"):
        stream.create_stream(StreamName=name, ShardCount=1)
    stream.start_stream_encryption(StreamName="orders", EncryptionType="KMS", KeyId=keys["data"])


def _rds(rds: Any, region: str, keys: dict[str, str], network: Network) -> None:
    common = {
        "Engine": "postgres",
        "DBInstanceClass": "db.t3.medium",
        "AllocatedStorage": 20,
        "MasterUsername": "demo",
        "MasterUserPassword": "Demo-only-1",
        "DBSubnetGroupName": "shop",
        "VpcSecurityGroupIds": [network.inner],
    }
    rds.create_db_instance(
        **common,
        DBInstanceIdentifier="orders",
        EngineVersion="16.4",
        MultiAZ=True,
        StorageEncrypted=True,
        KmsKeyId=keys["data" if region == HOME else f"{AWAY}/data"],
        BackupRetentionPeriod=14,
        DeletionProtection=True,
        PubliclyAccessible=False,
        AutoMinorVersionUpgrade=True,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["postgresql"],
        CopyTagsToSnapshot=True,
        Tags=tags(OWNED),
    )
    if region == AWAY:
        return
    rds.create_db_instance(
        **common,
        DBInstanceIdentifier="legacy",
        EngineVersion="13.18",
        MultiAZ=False,
        StorageEncrypted=False,
        BackupRetentionPeriod=0,
        PubliclyAccessible=True,
        AutoMinorVersionUpgrade=False,
    )
    rds.create_db_snapshot(DBInstanceIdentifier="orders", DBSnapshotIdentifier="before-migration")
    rds.create_db_cluster(
        DBClusterIdentifier="catalogue",
        Engine="aurora-postgresql",
        EngineVersion="16.4",
        MasterUsername="demo",
        MasterUserPassword="Demo-only-1",
        DBSubnetGroupName="shop",
        StorageEncrypted=True,
        BackupRetentionPeriod=7,
        Tags=tags(OWNED),
    )


def _dynamodb(dynamodb: Any, region: str, keys: dict[str, str]) -> None:
    for name, is_kept in {"orders": True, "carts": False, "prices": region == AWAY}.items():
        more: dict[str, Any] = {}
        if is_kept:
            key = keys["data" if region == HOME else f"{AWAY}/data"]
            more = {
                "SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
                "DeletionProtectionEnabled": True,
                "Tags": tags(OWNED),
            }
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            **more,
        )
        if is_kept:
            dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})


def _file_systems(aws: Aws, networks: dict[str, Network]) -> None:
    efs = aws("efs")
    for name, is_kept in {"media": True, "tmp": False}.items():
        made = efs.create_file_system(CreationToken=name, Encrypted=is_kept, Backup=is_kept, Tags=tags({"Name": name}))
        if is_kept:
            efs.create_mount_target(
                FileSystemId=made["FileSystemId"],
                SubnetId=networks[HOME].subnets[1],
                SecurityGroups=[networks[HOME].inner],
            )


def seed_secrets(aws: Aws, keys: dict[str, str]) -> None:
    """Secrets with and without rotation, parameters, one of them a secret that should not be there."""
    for region, key in ((HOME, keys["data"]), (AWAY, keys[f"{AWAY}/data"])):
        secrets = aws("secretsmanager", region)
        secrets.create_secret(Name="shop/database", SecretString="demo-only", KmsKeyId=key, Tags=tags(OWNED))
        secrets.rotate_secret(SecretId="shop/database", RotationRules={"AutomaticallyAfterDays": 30})
        secrets.create_secret(Name="shop/api-key", SecretString="demo-only")
    ssm = aws("ssm")
    ssm.put_parameter(Name="/shop/url", Value="https://shop.example.com", Type="String", Tags=tags(OWNED))
    ssm.put_parameter(Name="/shop/smtp-password", Value=PLANTED["ssm-parameter"], Type="String")
    ssm.put_parameter(Name="/shop/token", Value="demo-only", Type="SecureString", KeyId=keys["data"])
    aws("ssm", AWAY).put_parameter(Name="/shop/zones", Value="a,b", Type="StringList")


def seed_messages(aws: Aws, keys: dict[str, str]) -> str:
    """Topics and queues; returns the ARN of the topic that alarms go to."""
    open_to_all = {"Principal": "*", "Action": "*", "Resource": "*"}
    sns = aws("sns")
    alerts: str = sns.create_topic(Name="alerts", Attributes={"KmsMasterKeyId": keys["logs"]}, Tags=tags(OWNED))["TopicArn"]
    sns.subscribe(TopicArn=alerts, Protocol="email", Endpoint="on-call@example.com")
    sns.create_topic(Name="orders", Attributes={"Policy": policy({**open_to_all, "Action": "SNS:Publish"})})
    aws("sns", AWAY).create_topic(Name="alerts")  # nobody has subscribed
    sqs = aws("sqs")
    dead = sqs.create_queue(QueueName="orders-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.create_queue(
        QueueName="orders",
        Attributes={
            "KmsMasterKeyId": keys["data"],
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5}),
        },
        tags=OWNED,
    )
    sqs.create_queue(
        QueueName="legacy",
        Attributes={
            "SqsManagedSseEnabled": "false",
            "Policy": policy({**open_to_all, "Action": "sqs:SendMessage"}),
        },
    )
    aws("sqs", AWAY).create_queue(QueueName="mail", Attributes={"SqsManagedSseEnabled": "true"})
    return alerts


def seed_backups(aws: Aws, keys: dict[str, str]) -> None:
    """Vaults and a plan at home; a vault that nothing fills abroad."""
    backup = aws("backup")
    backup.create_backup_vault(BackupVaultName="shop", EncryptionKeyArn=keys["data"], BackupVaultTags=OWNED)
    backup.put_backup_vault_lock_configuration(BackupVaultName="shop", MinRetentionDays=7, MaxRetentionDays=400, ChangeableForDays=3)
    backup.create_backup_plan(
        BackupPlan={
            "BackupPlanName": "daily",
            "Rules": [
                {
                    "RuleName": "daily",
                    "TargetBackupVaultName": "shop",
                    "ScheduleExpression": "cron(0 3 * * ? *)",
                    "Lifecycle": {"DeleteAfterDays": 35},
                }
            ],
        }
    )
    aws("backup", AWAY).create_backup_vault(BackupVaultName="empty")


def seed_certificates(aws: Aws) -> str:
    """A certificate that renews itself and one that ends in 20 days; returns the first one's ARN."""
    acm = aws("acm")
    arn: str = acm.request_certificate(DomainName="www.shop.example.com", ValidationMethod="DNS", Tags=tags(OWNED))["CertificateArn"]
    certificate, key = _self_signed("old.shop.example.com", days=20)
    acm.import_certificate(Certificate=certificate, PrivateKey=key)
    aws("acm", AWAY).request_certificate(DomainName="eu.shop.example.com", ValidationMethod="EMAIL")
    return arn


def _self_signed(name: str, days: int) -> tuple[bytes, bytes]:
    x509 = import_module("cryptography.x509")
    hashes = import_module("cryptography.hazmat.primitives.hashes")
    formats = import_module("cryptography.hazmat.primitives.serialization")
    rsa = import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=345))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.TraditionalOpenSSL, formats.NoEncryption())
    return built.public_bytes(formats.Encoding.PEM), secret
