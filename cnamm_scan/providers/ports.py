"""Ports by name: one list of what listens where, for everything that is opened to addresses, and how to ask a range for it.

Numbers are those of IANA's registry of service names (https://www.iana.org/assignments/service-names-port-numbers/) or, where a product was
never registered or uses another number, its vendor's default; a number may stand in two lists. What is meant to be reached by strangers,
such as HTTPS, stands in none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cnamm_scan.providers.openness import Spans, intersect, merge, subtract

LAST = 65535
MANY = 1024
"""A range of more ports than this is wide: it opens what nobody thought of."""
PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class Ports:
    """A set of ports of each protocol that has ports."""

    tcp: Spans = ()
    udp: Spans = ()
    sctp: Spans = ()

    def of(self, protocol: str) -> Spans:
        """Those of one protocol."""
        spans: Spans = getattr(self, protocol)
        return spans

    def joined(self, other: Ports) -> Ports:
        """Both together."""
        return Ports(*(merge((*self.of(each), *other.of(each))) for each in PROTOCOLS))

    def within(self, other: Ports) -> Ports:
        """Those that the other has too."""
        return Ports(*(intersect(self.of(each), other.of(each)) for each in PROTOCOLS))

    def without(self, other: Ports) -> Ports:
        """These minus the other's."""
        return Ports(*(subtract(self.of(each), other.of(each)) for each in PROTOCOLS))

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not (self.tcp or self.udp or self.sctp)

    @property
    def is_wide(self) -> bool:
        """Whether one protocol has more than 1,024 of them."""
        return any(sum(last - first + 1 for first, last in self.of(each)) > MANY for each in PROTOCOLS)

    def meets(self, other: Ports) -> bool:
        """Whether both have a port in common."""
        return any(a <= d and c <= b for each in PROTOCOLS for a, b in self.of(each) for c, d in other.of(each))


NO_PORTS = Ports()
ALL_PORTS = Ports(((0, LAST),), ((0, LAST),), ((0, LAST),))


def joined(sets: Iterable[Ports]) -> Ports:
    """All of them together."""
    made = tuple(sets)
    return Ports(*(merge(span for each in made for span in each.of(protocol)) for protocol in PROTOCOLS))


def ports(protocol: str, first: int, last: int) -> Ports:
    """A range of one protocol, which is given by its name in small letters. Empty for a protocol without ports."""
    return Ports(**{protocol: ((max(first, 0), min(last, LAST)),)}) if protocol in PROTOCOLS and first <= last else NO_PORTS


def written(text: str) -> Ports:
    """`22 5900-5909 u161`: u is UDP, the rest TCP."""
    spans: dict[str, list[tuple[int, int]]] = {"tcp": [], "udp": []}
    for word in text.split():
        first, _, last = word.removeprefix("u").partition("-")
        spans["udp" if word.startswith("u") else "tcp"].append((int(first), int(last or first)))
    return Ports(merge(spans["tcp"]), merge(spans["udp"]))


LISTS: Mapping[str, Ports] = {
    # ssh, telnet (2323: devices), rexec to rsh, RDP, VNC, WinRM, epmap, http-rpc-epmap, pcAnywhere, radmin, X11, xdmcp, Webmin, IPMI, AMT,
    # SNMP, TFTP, ARD, Winbox, netconf-ssh
    "remote_administration": written(
        "22 23 2323 512-514 3389 u3389 5900-5909 5985 5986 135 u135 593 5631 u5632 4899 6000-6009 u177 10000 u623 16992-16995"
        " u161 u162 u69 3283 8291 830"
    ),
    # Docker, swarm, API server, kubelet, kube-proxy, controller manager and scheduler (10251 and 10252 of old), etcd, kubectl proxy,
    # cadvisor, Consul, Vault, Nomad, Portainer, registry. https://kubernetes.io/docs/reference/networking/ports-and-protocols/
    "cluster_control": written(
        "2375-2377 6443 10249-10252 10255 10256 10257 10259 2379 2380 8001 4194 8500 u8600 8600 8200 4646-4648 9000 9443 5000"
    ),
    # SQL Server, Oracle, MySQL, PostgreSQL and PgBouncer, MongoDB, Cassandra, Redshift, Db2, Derby, Firebird, CouchDB, InfluxDB, Neo4j,
    # ClickHouse, CockroachDB, TiDB, RethinkDB, ArangoDB, HANA, Neptune, Milvus, Qdrant, Couchbase
    "databases": written(
        "1433 u1434 1521 1522 2483 2484 3306 33060 5432 5433 6432 27017-27019 28017 9042 9142 7000 7001 7199 9160 5439 50000 1527 3050"
        " 5984 6984 8086 8088 7474 7687 8123 9440 9000 26257 4000 28015 29015 8529 30015 8182 19530 6333 6334"
        " 8091 8093 11207 11209 11210 18091-18096"
    ),
    # Elasticsearch and OpenSearch, Kibana, Solr
    "search_engines": written("9200 9300 5601 8983"),
    # Redis and Valkey (with bus and sentinel), memcached, Ignite, Hazelcast, Aerospike, Geode
    "caches": written("6379 6380 16379 26379 11211 u11211 47100 47500 10800 5701 3001-3003 40404 10334"),
    # Kafka, ZooKeeper, AMQP, RabbitMQ and epmd, MQTT, ActiveMQ, NATS, Pulsar, NSQ, ZeroMQ, IBM MQ
    "message_brokers": written(
        "9092-9098 2181 2182 2888 3888 5671 5672 15671 15672 25672 4369 1883 8883 61613-61617 8161 4222 6222 8222 6650 6651 4150-4161"
        " 5555-5557 1414"
    ),
    # FTP and FTPS, NetBIOS, SMB, NFS, rpcbind, AFP, rsync, iSCSI, Gluster, Ceph, Lustre, MinIO
    "file_sharing": written("20 21 989 990 139 u137 u138 445 u445 2049 u2049 111 u111 548 873 3260 24007 24008 6789 3300 988 9000 9001"),
    # LDAP, LDAPS, Global Catalog, Kerberos, kpasswd, RADIUS, TACACS
    "directories": written("389 u389 636 3268 3269 88 u88 464 u464 u1812 u1813 u1645 u1646 49"),
    # SMTP between servers, POP3, IMAP in plain text
    "mail": written("25 110 143"),
    # Kibana, Grafana, Prometheus, Alertmanager, Jaeger, Spark, Hadoop, Ray, TensorBoard, Jupyter, RabbitMQ
    "dashboards": written("5601 3000 9090 9093 16686 4040 7077 8088 50070 9870 8265 6006 8888 15672"),
    # DNS, NTP, chargen, quotd, SSDP, mDNS, WS-Discovery, memcached, CLDAP, RIP, SNMP, NetBIOS, portmap, TFTP: answers that are larger than
    # the question. https://www.cisa.gov/news-events/alerts/2014/01/17/udp-based-amplification-attacks
    "amplifiers": written("u53 u123 u19 u17 u1900 u5353 u3702 u11211 u389 u520 u161 u137 u111 u69"),
    # S7, Modbus, DNP3, EtherNet/IP, BACnet, Fox, IEC 104, OPC UA, PCWorx, Red Lion, FINS, SRTP, HART, PROFINET
    "industrial": written(
        "102 502 802 20000 u20000 44818 u44818 u2222 u47808 1911 4911 2404 4840 1962 789 9600 u9600 18245 5094 u5094 34962-34964"
    ),
    # Node inspector, JDWP, development servers, RMI, AJP, RStudio, old inspector, GlassFish, WebLogic, WildFly
    "development": written("9229 5005 8000 9999 1098 1099 8009 8787 5858 4848 7001 7002 9990 9993"),
}
"""The lists. What is open on a port of one fails by its name."""
HABITS = written(
    "3000-3003 4000 4040 5000 6000-6009 7000-7002 8000 8001 8009 8088 8091 8093 8123 8500 8787 8888 9000 9001 9090 9443 9999 10000"
)
"""Numbers of lists that ordinary web applications use by habit too: behind a port of another number they say nothing."""
WEB = written("80 443 8080 8443")
"""What pages and APIs are served on, in the open and under TLS."""
SSH_AND_RDP = written("22 3389 u3389")
DNS = Ports(((53, 53),), ((53, 53),))


@lru_cache(maxsize=4096)
def lists_of(held: Ports) -> frozenset[str]:
    """The names of the lists of which it has a port."""
    return frozenset(name for name, listed in LISTS.items() if held.meets(listed))


def atoms(spans: Iterable[Spans]) -> Iterator[tuple[int, int]]:
    """0 to 65535 cut at every end of the spans: within each piece no span begins or ends."""
    cuts = sorted({0, LAST + 1, *(cut for each in spans for first, last in each for cut in (first, last + 1))})
    return ((first, after - 1) for first, after in itertools.pairwise(cuts))
