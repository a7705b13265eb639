"""Who might ask, and from where: a finite set of kinds of caller that no statement of a document can tell apart any further.

Each kind stands for all callers like it. Accounts, organisations, ARNs and networks that the document names are kinds of their own;
everybody
else is "other", and a test is asked whether it could, or must, hold for such a one. Which keys a request has:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from itertools import product

from cnamm_scan.providers import openness
from cnamm_scan.providers.aws.policies import keys as k
from cnamm_scan.providers.aws.policies.conditions import FALSE, MISSING, Domain, Free, Region, Test, networks
from cnamm_scan.providers.aws.policies.documents import Document
from cnamm_scan.providers.aws.policies.once import once
from cnamm_scan.providers.aws.policies.patterns import arn_account, arn_parts, is_account, is_wild
from cnamm_scan.providers.aws.policies.setting import Setting
from cnamm_scan.providers.openness import NO_ADDRESSES, Addresses, Openness

Keys = Mapping[str, Domain]


class Kind(Enum):
    """How a caller shows who he is."""

    ANONYMOUS = "anonymous"
    PRINCIPAL = "principal"
    """A signed request of a user, a role or a root user."""
    CANONICAL = "canonical"
    """An account under S3's name for it, or CloudFront's own identity."""
    SERVICE = "service"
    TOKEN = "token"
    """A token or an assertion of an identity provider."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One kind of caller. An empty account is one that the document does not name."""

    kind: Kind
    keys: Keys = field(repr=False)
    account: str = ""
    organisation: str | None = None
    """None: in none, or it does not matter; empty: in one that the document does not name."""
    arn: str = ""
    """The ARN, if the document spells it out."""
    name: str = ""
    """The service, the provider or the canonical id; empty for a service that the document does not name."""
    source: str = ""
    """The one resource without an account in its ARN, or the token, on whose behalf a service asks."""
    guest: str = ""
    """Of tokens: whose it is, see `tokens`."""
    doubtful: bool = False
    """Nobody has shown us that there are such callers."""


@dataclass(frozen=True, slots=True)
class Network:
    """One kind of place to ask from."""

    is_open: bool
    """Whether strangers can ask from there."""
    keys: Keys = field(repr=False)
    ids: frozenset[str] = frozenset()
    """The VPCs and endpoints that the document names, or the access point's account."""
    held: Addresses = NO_ADDRESSES
    """The public addresses of a bounded set."""
    by_access_point: bool = False


_SIGNED_KEYS = (*k.CALLER_ACCOUNT, k.OWNER_ACCOUNT, k.CALLER_ARN, k.CALLER_ORG, k.CALLER_PATHS, k.USER_ID, "aws:username")
_SOURCE_KEYS = (*k.SOURCE_ACCOUNT, k.SOURCE_ARN, k.SOURCE_ORG, k.SOURCE_PATHS, k.EVENT_TOKEN)
_SERVICE_KEYS = ("aws:principalservicename", "aws:principalservicenameslist")
_NO_SOURCE: Keys = dict.fromkeys((*_SOURCE_KEYS, *_SERVICE_KEYS), MISSING)
_NOT_SIGNED: Keys = dict.fromkeys(_SIGNED_KEYS, MISSING)
_FALSE, _TRUE = Domain(("false",)), Domain(("true",))
NO_NETWORK = Network(is_open=True, keys=dict.fromkeys((*k.NETWORK_KEYS, *k.POINT_KEYS, k.MOUNT_TARGET), MISSING))
"""Services ask from nowhere that these keys know."""
ANYWHERE = Network(is_open=True, keys={})
INSIDE = Network(is_open=False, keys={k.SOURCE_IP: MISSING}, ids=frozenset({"vpc"}))


@dataclass(frozen=True)
class Cast:
    """All kinds of caller and of network that matter to one document: made once, asked for each of its statements."""

    document: Document
    setting: Setting

    @property
    def tests(self) -> tuple[Test, ...]:
        """Every test of the document."""
        return self.document.tests

    @once
    def callers(self) -> tuple[Caller, ...]:
        """Everybody who signs or does not, services and canonical users; tokens are made elsewhere."""
        return tuple(self._callers())

    @once
    def networks(self) -> tuple[Network, ...]:
        """Every kind of place to ask from that the document can tell apart."""
        if self.setting.in_network:
            return (INSIDE,)
        used = {test.key for test in self.tests}
        made = tuple(self._places(used)) if used & k.NETWORK_KEYS else (ANYWHERE,)
        if k.MOUNT_TARGET in used:
            through = (_with(each, {k.MOUNT_TARGET: _TRUE}, "mount target") for each in made)
            made = (*(_with(each, {k.MOUNT_TARGET: Domain(("false",), may_lack=True)}) for each in made), *through)
        if used & k.POINT_KEYS:
            made = tuple(self._points(made))
        return made

    @once
    def base(self) -> Keys:
        """Keys that are the same for everybody: whose the resource is, and what the question settles."""
        made = _of_resource(self.setting.account, self.setting.own_organisation)
        given = self.setting.given
        return {**made, **{key: Domain(values) if values else MISSING for key, values in given.items()}} if given else made

    def _callers(self) -> Iterator[Caller]:
        used = {test.key for test in self.tests} | {variable for test in self.tests for variable in test.variables}
        named = {each for one in self.document.statements for who in (one.principals, one.excepted) for each in who.aws}
        accounts = k.accounts_in(self.tests) | {found for each in named if (found := account_of(each))}
        admits_all = any(each.principals.anybody or each.excepted for each in self.document.allows)
        mine = self.setting.account
        unclear = any(not account_of(each) for each in named)  # names somebody, and we cannot say of which account
        others = ("", *sorted(accounts - {mine})) if admits_all or unclear else tuple(sorted(accounts - {mine}))
        if admits_all:
            yield Caller(Kind.ANONYMOUS, self._anonymous())
        if admits_all or named:
            yield from self._principals(used, (mine, *others), named)
        canonical = {each for one in self.document.allows for each in one.principals.canonical}
        canonical |= {each for each in named if ":iam::cloudfront:" in each}
        for each in sorted(canonical):
            yield Caller(Kind.CANONICAL, {**_NO_SOURCE, "aws:principalisawsservice": _FALSE}, name=each)
        services = {each for one in self.document.statements for who in (one.principals, one.excepted) for each in who.services}
        if admits_all or services:
            # without a test on whose behalf it asks, one kind stands for all
            sources = (mine, "", *sorted(accounts - {mine})) if used.intersection((*_SOURCE_KEYS, k.OWNER_ACCOUNT)) else ("",)
            unnamed = (admits_all or "*" in services) and not self.setting.in_network
            for service in (*sorted(services), *([""] if unnamed else [])):
                yield from self._services(service, used, sources)

    def _anonymous(self) -> Keys:
        return {
            **_NOT_SIGNED,
            **_NO_SOURCE,
            "aws:principalisawsservice": _FALSE,
            "aws:principaltype": Domain(("Anonymous",)),
            "aws:multifactorauthpresent": MISSING,
            "aws:multifactorauthage": MISSING,
            "lambda:functionurlauthtype": self._url(("NONE",)),
        }

    def _url(self, kinds: tuple[str, ...]) -> Domain:
        real = self.setting.url_auth
        known = kinds if real is None else tuple(each for each in kinds if each in real)
        return Domain(known, may_lack=True)

    def _organisations(self, account: str, used: set[str], keys: tuple[str, ...]) -> tuple[str | None, ...]:
        own = self.setting.own_organisation
        if account == self.setting.account or (account and account in self.setting.members):
            return (own,)
        if not used.intersection(keys):
            return (None,)
        named = sorted(k.organisations_in(self.tests) - {own})
        return (None, "", *named) if account and self.setting.members else (None, "", own, *named)

    def _principals(self, used: set[str], accounts: tuple[str, ...], named: set[str]) -> Iterator[Caller]:
        arns = {each for each in named if ":" in each and not each.endswith(":root")} | k.values_of(self.tests, k.CALLER_ARN)
        url = self._url(("AWS_IAM", "NONE"))
        for account in accounts:
            spelt = sorted(each for each in arns if account and arn_account(each) == account)
            is_own = account == self.setting.account
            for organisation, arn in product(self._organisations(account, used, (k.CALLER_ORG, k.CALLER_PATHS)), ("", *spelt)):
                keys = _signed(account, organisation, arn, is_own, self.setting.unique_ids, url)
                yield Caller(Kind.PRINCIPAL, keys, account, organisation, arn)

    def _services(self, service: str, used: set[str], accounts: tuple[str, ...]) -> Iterator[Caller]:
        arns = k.sources_of(self.tests)
        tokens = k.values_of(self.tests, k.EVENT_TOKEN)
        for account in accounts:
            spelt = [each for each in sorted(arns) if arn_account(each) == account or (not arn_account(each) and _is_bare(each))]
            places = self._organisations(account, used, (k.SOURCE_ORG, k.SOURCE_PATHS))
            for organisation, arn, token in product(places, ("", *spelt), ("", *sorted(tokens))):
                made = _serving(service, account, organisation, arn, token)
                source = token or (arn if arn and not arn_account(arn) else "")
                yield Caller(Kind.SERVICE, made, account, organisation, arn, service, source)

    def _places(self, used: set[str]) -> Iterator[Network]:
        no_endpoint = dict.fromkeys(k.NETWORK_KEYS - {k.SOURCE_IP}, MISSING)
        told = frozenset(networks(test.values) for test in self.tests if test.key == k.SOURCE_IP and test.kind == "ipaddress")
        for region, what in _regions(told):
            if what.rank >= Openness.BOUNDED.rank:
                is_open = what.rank >= Openness.WIDE.rank  # S3 calls broader than /8 public, and so do we of every resource
                yield Network(is_open, {**no_endpoint, k.SOURCE_IP: Domain(rest=Region(region))}, held=NO_ADDRESSES if is_open else region)
        vpcs = {each.lower() for each in k.values_of(self.tests, k.VPC)} | {
            each.rpartition("/")[2] for each in k.values_of(self.tests, k.VPC_ARN)
        }
        endpoints = {each.lower() for each in k.values_of(self.tests, k.ENDPOINT)}
        owners: list[str] = [""]
        if used & {k.ENDPOINT_ACCOUNT, k.ENDPOINT_ORG, k.ENDPOINT_PATHS, k.VPC_ARN}:
            owners += [self.setting.account, *sorted(k.accounts_in(self.tests) - {self.setting.account})]
        for vpc, endpoint, owner in product(("", *sorted(vpcs)), ("", *sorted(endpoints)), owners):
            for organisation in self._organisations(owner, used, (k.ENDPOINT_ORG, k.ENDPOINT_PATHS)):
                arns = tuple(each for each in k.values_of(self.tests, k.VPC_ARN) if vpc and each.endswith(f"/{vpc}"))
                ids = frozenset(each for each in (vpc, endpoint, owner, organisation if organisation else "") if each)
                made = {
                    k.SOURCE_IP: MISSING,
                    k.VPC_IP: Domain(rest=Region(openness.EVERYWHERE)),
                    k.VPC: Domain((vpc,)) if vpc else Domain(rest=k.OtherId("vpc-")),
                    k.ENDPOINT: Domain((endpoint,)) if endpoint else Domain(rest=k.OtherId("vpce-")),
                    k.VPC_ARN: Domain(arns) if arns else Domain(rest=k.OtherArn(owner), may_lack=True),
                    k.ENDPOINT_ACCOUNT: Domain((owner,), may_lack=True) if owner else Domain(rest=k.OtherAccount(), may_lack=True),
                    k.ENDPOINT_ORG: _organisation(organisation, may_lack=True),
                    k.ENDPOINT_PATHS: _paths(organisation),
                }
                yield Network(not ids, made, ids)

    def _points(self, made: tuple[Network, ...]) -> Iterator[Network]:
        mine = self.setting.account
        arns = k.values_of(self.tests, k.POINT_ARN)
        for each in made:
            yield _with(each, dict.fromkeys(k.POINT_KEYS, MISSING))
            for account in ("", mine, *sorted(k.accounts_in(self.tests) - {mine})):
                for arn in ("", *sorted(one for one in arns if account and arn_account(one) == account)):
                    keys = {
                        k.POINT_ACCOUNT: Domain((account,)) if account else Domain(rest=k.OtherAccount()),
                        k.POINT_ARN: Domain((arn,)) if arn else Domain(rest=k.OtherArn(account)),
                    }
                    yield _with(each, keys, f"access points of {account}" if account else "", point=True)


@lru_cache(maxsize=1024)
def _of_resource(account: str, organisation: str) -> Keys:
    """Whose the resource is."""
    return {
        k.RESOURCE_ACCOUNT: Domain((account,)),
        k.RESOURCE_ORG: Domain((organisation,)),
        k.RESOURCE_PATHS: Domain(rest=k.Paths(organisation)),
    }


@lru_cache(maxsize=4096)
def _signed(account: str, organisation: str | None, arn: str, is_own: bool, unique_ids: frozenset[str], url: Domain) -> Keys:
    """The keys of a signed request."""
    of_account = Domain((account,)) if account else Domain(rest=k.OtherAccount())
    if ":assumed-role/" in arn or ":federated-user/" in arn:
        of_arn = Domain(rest=Free())  # the key holds the role's ARN, whose path a session does not tell
    else:
        of_arn = Domain((arn,)) if arn else Domain(rest=k.OtherArn(account, principal=True))
    return {
        **_NO_SOURCE,
        **dict.fromkeys(k.CALLER_ACCOUNT, of_account),
        k.OWNER_ACCOUNT: of_account,
        k.CALLER_ARN: of_arn,
        k.CALLER_ORG: _organisation(organisation),
        k.CALLER_PATHS: _paths(organisation),
        k.USER_ID: Domain(rest=k.UserId(unique_ids, is_own)),
        "aws:username": Domain(rest=Free(signs=False), may_lack=True),
        "aws:principalisawsservice": _FALSE,
        "aws:principaltype": Domain(("Account", "User", "AssumedRole", "FederatedUser")),
        "lambda:functionurlauthtype": url,
    }


@lru_cache(maxsize=4096)
def _serving(service: str, account: str, organisation: str | None, arn: str, token: str) -> Keys:
    """The keys of a request that a service makes by itself. Which of the keys of its source it sends differs from service to service."""
    of_account = Domain((account,), may_lack=True) if account else Domain(rest=k.OtherAccount(), may_lack=True)
    return {
        **_NOT_SIGNED,
        **dict.fromkeys(k.SOURCE_ACCOUNT, of_account),
        k.OWNER_ACCOUNT: of_account,
        k.SOURCE_ARN: Domain((arn,), may_lack=True) if arn else Domain(rest=k.OtherArn(account), may_lack=True),
        k.SOURCE_ORG: _organisation(organisation, may_lack=True),
        k.SOURCE_PATHS: _paths(organisation),
        k.EVENT_TOKEN: Domain((token,)) if token else Domain(rest=OtherToken(), may_lack=True),
        "aws:principalisawsservice": _TRUE,
        **dict.fromkeys(_SERVICE_KEYS, Domain((service,)) if service else Domain(rest=Free())),
        "aws:principaltype": Domain(("AWSService",), may_lack=True),
        "lambda:functionurlauthtype": MISSING,
    }


@dataclass(frozen=True, slots=True)
class OtherToken:
    """A skill or another sender that the document does not name."""

    def judge(self, test: Test, value: str) -> int:
        """Only a wildcard can meet it."""
        return Free().judge(test, value) if is_wild(value) and test.how == "like" else FALSE


def account_of(named: str) -> str:
    """The account that an entry of a Principal is or belongs to; empty for everything else."""
    return named if is_account(named) else arn_account(named)


def _is_bare(arn: str) -> bool:
    parts = arn_parts(arn)
    return parts is not None and parts[4] == ""


def _organisation(organisation: str | None, *, may_lack: bool = False) -> Domain:
    if organisation is None:
        return MISSING
    return Domain((organisation,), may_lack=may_lack) if organisation else Domain(rest=k.OtherId("o-"), may_lack=may_lack)


def _paths(organisation: str | None) -> Domain:
    return MISSING if organisation is None else Domain(rest=k.Paths(organisation), may_lack=True)


def _with(network: Network, keys: Keys, bound: str = "", *, point: bool = False) -> Network:
    ids = network.ids | {bound} if bound else network.ids
    return Network(
        network.is_open and not bound, {**network.keys, **keys}, ids, network.held, network.by_access_point or (point and bool(bound))
    )


@lru_cache(maxsize=4096)
def _regions(sets: frozenset[Addresses]) -> tuple[tuple[Addresses, Openness], ...]:
    """The address space cut into parts that no set tells apart, and what each amounts to."""
    parts = [openness.EVERYWHERE]
    for one in sorted(sets, key=repr):
        cut = [piece for part in parts for piece in (part.within(one), part.without(one))]
        parts = [piece for piece in cut if not piece.is_empty]
    return tuple((each, openness.judge(each)) for each in parts)
