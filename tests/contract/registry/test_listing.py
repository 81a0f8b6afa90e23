"""Lists and searches: order, pages, filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


@pytest.fixture
def three(target: Any, group: str) -> list[str]:
    """Three versions, the second approved."""
    arns = [
        target.registered(group, CustomerMetadataProperties={"understudy.number": str(number)}) for number in (1, 2, 3)
    ]
    target.sagemaker.update_model_package(ModelPackageArn=arns[1], ModelApprovalStatus="Approved")
    return arns


def test_versions_come_oldest_first_in_pages(target: Any, group: str, three: list[str]) -> None:
    first = target.sagemaker.list_model_packages(ModelPackageGroupName=group, MaxResults=2)
    assert [one["ModelPackageArn"] for one in first["ModelPackageSummaryList"]] == three[:2]
    second = target.sagemaker.list_model_packages(
        ModelPackageGroupName=group, MaxResults=2, NextToken=first["NextToken"]
    )
    assert [one["ModelPackageArn"] for one in second["ModelPackageSummaryList"]] == three[2:]
    assert "NextToken" not in second
    assert target.versions(group, SortOrder="Descending") == three[::-1]


def test_a_summary_says_what_a_list_is_read_for(target: Any, group: str, three: list[str]) -> None:
    (approved,) = target.sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")[
        "ModelPackageSummaryList"
    ]
    assert approved["ModelPackageArn"] == three[1]
    assert approved["ModelPackageVersion"] == 2
    assert approved["ModelPackageGroupName"] == group
    assert approved["ModelPackageStatus"] == "Completed"
    assert approved["ModelApprovalStatus"] == "Approved"
    assert "ModelPackageName" not in approved


def test_versions_are_filtered_by_time_and_kind(target: Any, group: str, three: list[str]) -> None:
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert target.versions(group, CreationTimeAfter=now - hour, CreationTimeBefore=now + hour) == three
    assert target.versions(group, CreationTimeAfter=now + hour) == []
    assert target.versions(group, CreationTimeBefore=now - hour) == []
    assert target.versions(group, ModelPackageType="Versioned") == three


def test_a_group_that_is_not_there_has_no_list(target: Any, refused: Any) -> None:
    with refused("ValidationException", target.arn("model-package-group", "understudy-test-nobody")):
        target.versions("understudy-test-nobody")


def test_groups_are_listed_by_name_order_and_time(target: Any) -> None:
    names = [target.group() for _ in range(3)]
    common = {"NameContains": "understudy-test-", "CreationTimeAfter": datetime.now(UTC) - timedelta(hours=1)}

    def listed(**members: Any) -> list[str]:
        pages = target.sagemaker.get_paginator("list_model_package_groups").paginate(
            **common, **members, PaginationConfig={"PageSize": 2}
        )
        found = [one["ModelPackageGroupName"] for page in pages for one in page["ModelPackageGroupSummaryList"]]
        return [name for name in found if name in names]

    assert listed() == names
    assert listed(SortOrder="Descending") == names[::-1]
    assert listed(SortBy="Name") == sorted(names)
    (only,) = target.sagemaker.list_model_package_groups(NameContains=names[0])["ModelPackageGroupSummaryList"]
    assert only["ModelPackageGroupName"] == names[0]
    assert only["ModelPackageGroupStatus"] == "Completed"


@pytest.mark.parametrize(
    ("name", "operator", "value", "numbers"),
    [
        ("ModelApprovalStatus", "Equals", "Approved", [2]),
        ("ModelApprovalStatus", "NotEquals", "Approved", [1, 3]),
        ("ModelPackageVersion", "GreaterThan", "1", [2, 3]),
        ("ModelPackageVersion", "LessThanOrEqualTo", "1", [1]),
        ("CreationTime", "GreaterThan", "2020-01-01T00:00:00", [1, 2, 3]),
        ("CreationTime", "LessThan", "2020-01-01T00:00:00", []),
        ("CustomerMetadataProperties.understudy.number", "Equals", "3", [3]),
    ],
)
@pytest.mark.inferred("how soon Search sees a change, and that dots in metadata keys can be searched for")
def test_versions_are_searched_by_property(
    target: Any, group: str, three: list[str], name: str, operator: str, value: str, numbers: list[int]
) -> None:
    mine = {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group}
    answer = target.sagemaker.search(
        Resource="ModelPackage",
        SearchExpression={"Filters": [mine, {"Name": name, "Operator": operator, "Value": value}]},
        SortBy="CreationTime",
        SortOrder="Ascending",
    )
    assert [one["ModelPackage"]["ModelPackageArn"] for one in answer["Results"]] == [three[n - 1] for n in numbers]
    assert answer["TotalHits"] == {"Value": len(numbers), "Relation": "EqualTo"}


@pytest.mark.parametrize(
    ("name", "value"), [("NoSuchProperty", "1"), ("ModelPackageVersion", "one"), ("CreationTime", "yesterday")]
)
@pytest.mark.inferred("the code for a property that the resource does not have, or a value that is none of its type")
def test_a_search_that_makes_no_sense_is_refused(target: Any, group: str, refused: Any, name: str, value: str) -> None:
    target.registered(group)
    with refused("ValidationException"):
        target.sagemaker.search(
            Resource="ModelPackage",
            SearchExpression={"Filters": [{"Name": name, "Operator": "GreaterThan", "Value": value}]},
        )
