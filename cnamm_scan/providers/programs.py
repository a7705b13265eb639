"""What images and ports are called: to which of the lists of ports.py a program belongs, whatever number it listens on.

An image is known by the noun that its name ends with: `acme/orders-postgres` is a database, `postgres-exporter` is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_PROGRAMS: Mapping[str, str] = {
    "databases": (
        "postgres|postgresql|postgis|timescaledb|pgvector|spilo|pgbouncer|pgpool|mysql|mariadb|percona|percona-xtradb-cluster|mssql|mongo"
        "|mongodb|mongos|mongod|cassandra|scylla|cockroach|cockroachdb|tidb|couchdb|couchbase|influxdb|neo4j|clickhouse|arangodb|rethinkdb|milvus|qdrant"
        "|weaviate|db2|firebird|questdb|edgedb|surrealdb"
    ),
    "search_engines": "elasticsearch|opensearch|solr|meilisearch|typesense",
    "caches": "redis|redis-sentinel|redis-stack|valkey|keydb|dragonfly|memcached|hazelcast|ignite|aerospike|geode",
    "message_brokers": "kafka|zookeeper|redpanda|rabbitmq|activemq|artemis|nats|pulsar|mosquitto|emqx|nsqd",
    "file_sharing": "minio|samba|nfs|ganesha|vsftpd|proftpd|pureftpd",
    "directories": "openldap|freeipa|samba-dc|freeradius|389ds|dirsrv",
    "dashboards": (
        "grafana|prometheus|alertmanager|kibana|opensearch-dashboards|jaeger-query|jaegertracing-all-in-one|tensorboard|jupyter|jupyterlab|notebook|rayproject-ray"
        "|kubernetesui-dashboard|phpmyadmin|adminer|pgadmin4|pgadmin|mongo-express|redis-commander|redisinsight|kafka-ui|akhq"
        "|headlamp|hubble-ui|kiali"
    ),
    "cluster_control": "etcd|consul|vault|nomad|portainer|portainer-ce|portainer-ee|library-docker",
    "remote_administration": "openssh|sshd|guacamole|webmin|novnc",
    "development": "rstudio|weblogic|wildfly",
}
"""List -> the programs of it, as their images are called."""
_BEHIND = (
    r"(?:[-_.]?(?:server|db|database|cluster|ha|repmgr|replicaset|community|enterprise|standalone|node|primary|master|replica|oss"
    r"|[0-9][0-9.]*))*"
)
_KNOWN = {name: re.compile(rf"(?:.*[-_.])?(?:{words}){_BEHIND}") for name, words in _PROGRAMS.items()}

PROGRAM_LISTS = frozenset(_PROGRAMS)
"""The lists that have programs: what an image that nobody saw may be of."""

_PORT_NAMES: Mapping[str, str] = {
    "remote_administration": "ssh|rdp|vnc|telnet|winrm",
    "cluster_control": "etcd|kubelet|dockerd",
    "databases": "postgres|postgresql|pgsql|mysql|mariadb|mssql|mongo|mongodb|cql|clickhouse|oracle",
    "search_engines": "elasticsearch|opensearch",
    "caches": "redis|valkey|memcache|memcached",
    "message_brokers": "kafka|amqp|amqps|zookeeper",
    "file_sharing": "nfs|smb|ftp",
    "directories": "ldap|ldaps|kerberos",
}
_NAMED = {
    name: re.compile(rf"(?:tcp-|udp-|tls-)?(?:{words})(?:-(?:tcp|udp|tls|client|server|port))?") for name, words in _PORT_NAMES.items()
}


@lru_cache(maxsize=4096)
def lists_of_image(repository: str) -> frozenset[str]:
    """The lists to which the program of an image belongs, by the last two words of its path; empty for a program that is not known."""
    name = "-".join(repository.lower().split("/")[-2:])
    return frozenset(each for each, known in _KNOWN.items() if known.fullmatch(name))


@lru_cache(maxsize=1024)
def lists_of_name(port: str) -> frozenset[str]:
    """The lists that the name of a port speaks of, as people call it: `ssh`, `tcp-postgresql`, `etcd-client`."""
    return frozenset(each for each, known in _NAMED.items() if known.fullmatch(port.lower()))
