"""What a report calls a subscription, whose id nobody remembers, and which right it asks for where none may be known."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.azure.bed.contents import Subscription
from cnamm_scan.demo.azure.bed.server import AzureBed, Trouble
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.report import text
from cnamm_scan.report.markdown import render
from cnamm_scan.report.page import Page
from cnamm_scan.report.words import interval, target_labels
from cnamm_scan.text import safe
from tests.azures import ONE, TWO, account, environment, tenant
from tests.clusters import QUICK

RULE = "azure.storage.account_entra_only"
PERMISSIONS = "Microsoft.Authorization/permissions/read"
ODD = "shop | \x1b[31mred"
SHOWN = safe(ODD)
DENIED = Trouble(403, "AuthorizationFailed", path="Microsoft.Authorization/permissions")


def flags(bed: AzureBed) -> list[str]:
    return [f"--arm-endpoint={bed.url}", f"--authority={bed.url}", f"--ca-bundle={bed.ca}", f"--rule={RULE}"]


def test_a_subscription_is_called_by_its_name_beside_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tenant(account("a"), subscriptions=(Subscription(ONE, ODD), Subscription(TWO, "")))
    with AzureBed(made) as bed, environment(bed):
        assert run(["scan", "azure", f"--output={tmp_path}", *flags(bed)]) == 0
    printed = capsys.readouterr().out
    (folder,) = tmp_path.iterdir()
    with api.load_bundle(folder) as done:
        assert [target.name for target in done.targets] == [ONE, TWO], "an id is an id"
        report = done.report()
    labels = [target["label"] for target in report["targets"]]
    assert labels == [f"Azure {ONE} ({SHOWN})", f"Azure {TWO}"]
    assert f"Azure {ONE} (shop" in printed
    assert "\x1b[31m" not in printed
    assert f"| azure:{ONE} (shop \\|" in render(report)
    assert f"| azure:{TWO} |" in render(report)
    assert [target.get("label") for target in report["scan"]["targets"]] == [SHOWN, None]


def test_the_name_is_kept_by_a_bundle_and_by_who_judges_it_again(tmp_path: Path) -> None:
    with AzureBed(tenant(account("a"))) as bed, environment(bed):
        options = api.TargetOptions(**bed.options())
        with api.scan(["azure"], rules=[RULE], output=tmp_path, options=options, limits=QUICK) as done:
            sealed = done.path
            assert sealed is not None
        with api.load_bundle(sealed) as read, api.evaluate(sealed) as again:
            assert [target.label for target in read.targets] == [target.label for target in again.targets] == ["one", "two"]


def test_the_right_to_know_ones_rights_is_the_one_to_grant(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with AzureBed(tenant(account("a")), troubles=[DENIED]) as bed, environment(bed):
        options: Any = api.TargetOptions(**bed.options())
        with api.scan(["azure"], rules=[RULE], options=options, limits=QUICK) as done:
            rows = [row for row in done.report()["unseen"] if row["reason"] == "denied"]
        assert rows
        for row in rows:
            assert row["rights"] == [PERMISSIONS]
            assert row["codes"] == ["PermissionsNotReadable"]
            assert row["would_show"] == f"grant {PERMISSIONS}"
        run(["plan", "azure", "--preflight", "--format=json", *flags(bed)])
        told = capsys.readouterr()
    assert {row["status"] for row in json.loads(told.out)} >= {"denied (PermissionsNotReadable)"}
    assert f"grant: {PERMISSIONS}\n" in told.err


def test_a_query_that_is_throttled_by_its_own_quota_is_not_told_to_slow_down() -> None:
    troubles = [Trouble(429, "RateLimiting", path="ResourceGraph/resources", body_has="storageaccounts")]
    with AzureBed(tenant(account("a")), troubles=troubles) as bed, environment(bed):
        options: Any = api.TargetOptions(**bed.options())
        with api.scan(["azure"], rules=[RULE], options=options, limits=Limits(attempts=2, deadline=5.0)) as done:
            (row,) = [row for row in done.report()["unseen"] if row["reason"] == "throttled"]
    assert row["codes"] == ["RateLimiting"]
    assert row["would_show"].startswith("scan again later")


def test_a_narrow_terminal_drops_the_id_and_never_the_score(tmp_path: Path) -> None:
    names = "production of the shop of the north", "twin", "twin"
    third = "33333333-0000-4000-8000-000000000003"
    made = tenant(account("a"), subscriptions=tuple(map(Subscription, (ONE, TWO, third), names)))
    with AzureBed(made) as bed, environment(bed):
        options: Any = api.TargetOptions(**bed.options())
        with api.scan(["azure"], rules=[RULE], options=options, limits=QUICK) as done:
            report = done.report()
    whole, short = target_labels(report)
    assert whole[f"azure:{ONE}"] == f"Azure {ONE} ({names[0]})"
    assert short == {
        f"azure:{ONE}": f"Azure {names[0]}",
        f"azure:{TWO}": f"Azure {TWO} (twin)",  # of two with one name the id must say which
        f"azure:{third}": f"Azure {third} (twin)",
    }
    for width, labels in ((72, short), (300, whole)):
        out = io.StringIO()
        console = Console(file=out, width=width, no_color=True, highlight=False)
        text.render(report, console)
        lines = out.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        assert any(labels[f"azure:{ONE}"] in line for line in lines)
        score = interval(report["targets"][0]["models"][0]["overall"])
        assert any(f"{labels[f'azure:{ONE}']} {score}" in str(line) for line in text._targets(report, Page(console)))
