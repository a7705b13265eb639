"""Parameters of AWS calls held against botocore's description, members of structures too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnamm_scan import content as reader
from cnamm_scan.providers.aws import lint

FACTS = """
service: lab
facts:
  aws.lab.finding:
    about: Findings.
    once_per: region
    list: {call: 'securityhub:GetFindings', items: Findings, needs: 'securityhub:GetFindings'}
    key: '{Id}'
    then:
      history: {call: 'securityhub:GetFindingHistory', with: WITH, needs: 'securityhub:GetFindingHistory'}
    columns: {fields: {type: list, from: 'history.Records[].Updates[].UpdatedField', absent: []}}
"""
WHOLE = {"FindingIdentifier.Id": "Id", "FindingIdentifier.ProductArn": "ProductArn"}


@pytest.mark.parametrize(
    ("given", "whats"),
    [
        (WHOLE, []),
        ({**WHOLE, "StartTime": "$now-30d"}, []),
        (
            {"FindingIdentifier.Id": "Id", "FindingIdentifier.Arn": "ProductArn"},
            ["GetFindingHistory has no parameter 'FindingIdentifier.Arn'"],
        ),
        ({**WHOLE, "StartTime.Day": "Id"}, ["GetFindingHistory has no parameter 'StartTime.Day'"]),
        ({"MaxResults": "Id"}, ["GetFindingHistory needs parameter 'FindingIdentifier'"]),
    ],
)
def test_a_dot_names_a_member_of_a_structure(tmp_path: Path, given: dict[str, str], whats: list[str]) -> None:
    folder = tmp_path / "collectors" / "aws"
    folder.mkdir(parents=True)
    (folder / "lab.yaml").write_text(FACTS.replace("WITH", json.dumps(given)))
    made = reader.load([tmp_path], bundled=False)
    problems = [(table, what) for table, what, _ in lint.check(made) if table == "aws.lab.finding"]
    assert [what for _, what in problems] == whats
