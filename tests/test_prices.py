"""The table of prices, and the estimates made from it."""

from __future__ import annotations

import json
import math
import re
import time

import pytest

from workshop import prices
from workshop.emulator import settings
from workshop.emulator.client import daemon
from workshop.emulator.errors import WorkshopError


def training(name="lab2-training-2026-11-20-15-48-05-123", **more) -> dict:
    return {
        "TrainingJobName": name,
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **more,
    }


def processing(kind="ml.m5.xlarge", count=1, **more) -> dict:
    cluster = {"InstanceType": kind, "InstanceCount": count}
    return {
        "ProcessingJobName": "lab2-preprocessing-2026-11-20-15-48-05-123",
        "ProcessingResources": {"ClusterConfig": cluster},
        **more,
    }


def transform(kind="ml.m5.xlarge", count=1) -> dict:
    return {
        "TransformJobName": "lab4-transform-2026-11-20-15-48-05-123",
        "TransformResources": {"InstanceType": kind, "InstanceCount": count},
    }


def variant(kind="ml.m5.xlarge", count=1, name="AllTraffic") -> dict:
    return {"VariantName": name, "InstanceType": kind, "InitialInstanceCount": count}


def serverless(**more) -> dict:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 5, **more}
    return {"VariantName": "AllTraffic", "ServerlessConfig": config}


def test_the_table_is_dated_and_has_the_same_types_everywhere():
    assert re.fullmatch(r"20\d\d-\d\d", prices.DATE)
    assert 0 < prices.SPOT_SAVING < 1
    tables = prices._TABLE["per_hour"]
    assert {tuple(table) for table in tables.values()} == {tuple(tables["us-east-1"])}
    for kind, price in tables["us-east-1"].items():
        for table in tables.values():
            assert 1 <= table[kind] / price < 1.3
    for region in ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1"):
        assert region in prices.regions()


@pytest.mark.parametrize(
    ("kind", "region", "price"),
    [
        ("ml.m5.xlarge", "us-east-1", 0.23),
        ("ml.m5.xlarge", "us-west-2", 0.23),
        ("ml.m5.xlarge", "eu-west-1", 0.257),
        ("ml.t3.medium", "us-east-1", 0.05),
        ("ml.g5.xlarge", "us-east-1", 1.408),
    ],
)
def test_prices(kind, region, price):
    assert prices.per_hour(kind, region) == price


@pytest.mark.parametrize(
    ("kind", "region", "words"),
    [
        ("ml.x9.huge", "us-east-1", "no instance type 'ml.x9.huge'"),
        ("local", "us-east-1", "no instance type 'local'"),
        ("ml.m5.xlarge", "mars-1", "no region 'mars-1'"),
    ],
)
def test_what_the_table_does_not_have(kind, region, words):
    with pytest.raises(WorkshopError, match=words) as told:
        prices.per_hour(kind, region)
    assert prices.PAGE in str(told.value)


@pytest.mark.parametrize(
    ("request_", "region", "words"),
    [
        (training(), "us-east-1", "about $0.02: 1 × ml.m5.xlarge at $0.230 an hour, 5 min"),
        (training(), "us-east-1", "At most $0.23, if it runs to its limit of 60 min."),
        (training(), "eu-west-1", "at $0.257 an hour"),
        (training(), "ap-south-1", "(the price in us-east-1: the table has no ap-south-1)"),
        (processing(count=3), "us-east-1", "about $0.06: 3 × ml.m5.xlarge at $0.690 an hour"),
        (processing(), "us-east-1", "At most $5.52, if it runs to its limit of 24 h."),
        (processing("ml.t3.medium"), "us-east-1", "less than $0.01: 1 × ml.t3.medium"),
        (transform(count=2), "us-east-1", "about $0.04: 2 × ml.m5.xlarge at $0.460 an hour, 5 min"),
        (transform(), "us-east-1", "It has no limit of time: what it costs grows until it ends."),
        (transform("ml.x9.huge"), "us-east-1", "not known here: the table has no ml.x9.huge"),
        (processing("ml.x9.huge"), "us-east-1", "not known here: the table has no ml.x9.huge"),
        (
            training(EnableManagedSpotTraining=True),
            "us-east-1",
            "about $0.01 with spot's usual saving of 70%: 1 × ml.m5.xlarge",
        ),
        (
            training(
                ResourceConfig={
                    "InstanceGroups": [
                        {"InstanceType": "ml.m5.large", "InstanceCount": 2},
                        {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
                    ]
                }
            ),
            "us-east-1",
            "2 × ml.m5.large and 1 × ml.g5.xlarge at $1.638 an hour",
        ),
    ],
)
def test_estimates(request_, region, words):
    told = prices.estimate(request_, region)
    assert words in told
    assert "\n" not in told


def test_the_estimate_of_many_jobs():
    told = prices.estimate(training(), times=9)
    assert told.startswith("about $0.17: 9 jobs, each 1 × ml.m5.xlarge at $0.230 an hour, 5 min ea")
    assert told.endswith("At most $2.07, if all run to their limit of 60 min.")


@pytest.mark.parametrize(
    ("variants", "region", "told"),
    [
        (
            [variant()],
            "us-east-1",
            "$0.230 an hour, $5.52 a day, until it is deleted: AllTraffic 1 × ml.m5.xlarge at "
            "$0.230",
        ),
        (
            [variant(count=2, name="A"), variant("ml.m5.large", name="B")],
            "eu-west-1",
            "$0.642 an hour, $15.41 a day, until it is deleted: A 2 × ml.m5.xlarge at $0.257, "
            "B 1 × ml.m5.large at $0.128",
        ),
        (
            [variant()],
            "ap-south-1",
            "$0.230 an hour, $5.52 a day, until it is deleted: AllTraffic 1 × ml.m5.xlarge at "
            "$0.230 (the price in us-east-1: the table has no ap-south-1)",
        ),
        (
            [variant(), variant("ml.x9.huge", name="B")],
            "us-east-1",
            "by the hour, until it is deleted, an amount that is not known here: the table has no "
            f"ml.x9.huge. See {prices.PAGE}",
        ),
        (
            [serverless()],
            "us-east-1",
            "AllTraffic serverless: each request by its milliseconds and its bytes; the table has "
            f"no such prices, see {prices.PAGE}",
        ),
        (
            [serverless(ProvisionedConcurrency=3)],
            "us-east-1",
            "AllTraffic serverless: each request by its milliseconds and its bytes, and the 3 that "
            f"are kept ready by their time; the table has no such prices, see {prices.PAGE}",
        ),
    ],
    ids=["one", "several", "region", "unknown", "serverless", "kept ready"],
)
def test_what_an_endpoint_costs(variants, region, told):
    assert prices.of_endpoint(variants, region) == told


def test_an_estimate_knows_the_last_job_of_its_name(tmp_path):
    def record(name: str, started: float, took: float | None, error: str = "", **more: str) -> None:
        content = {
            "name": f"{name}-2026-11-20-15-00-00-{started:03.0f}",
            "started": started,
            "ended": started + took if took else None,
            "error": error,
            **more,
        }
        (tmp_path / f"{content['name']}-1.json").write_text(json.dumps(content))

    told = prices.estimate(training(), records=tmp_path)
    assert "5 min (an assumption), plus about 3 min to start, which are free." in told

    record("lab2-training", 100, 500)
    record("lab2-training", 200, 510)  # the last that ended well
    record("lab2-training", 300, 9, error="boom")
    record("lab2-training", 400, None)
    record("lab2-training-other", 500, 7)
    record("lab2-training", 600, 8000, kind="endpoint")
    told = prices.estimate(training(), records=tmp_path)
    assert "10 min (what lab2-training took here, and 90 s to fetch image and data)" in told
    assert told.startswith("about $0.04: ")

    prices.remember("lab2-training-2026-11-21-15-00-00-000", 40, tmp_path)
    told = prices.estimate(training(), records=tmp_path)
    assert "40 s (as lab2-training took there last time)" in told


def test_an_unreadable_record_is_no_record(tmp_path):
    (tmp_path / "lab2-training-x-1.json").write_text("{")
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "lab2-training.json").write_text("")
    assert "an assumption" in prices.estimate(training(), records=tmp_path)


@pytest.mark.slow
def test_what_a_spot_job_is_billed_for_agrees_with_its_estimate():
    """The estimate's saving, on a job that runs long enough for whole seconds to tell."""
    daemon.client("s3").create_bucket(Bucket="sagemaker-prices")
    request = training(
        "prices-spot",
        EnableManagedSpotTraining=True,
        AlgorithmSpecification={
            "TrainingInputMode": "File",
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1",
            "ContainerEntrypoint": ["sleep"],
            "ContainerArguments": ["9"],
        },
        RoleArn=f"arn:aws:iam::{settings.ACCOUNT}:role/service-role/{settings.ROLE}",
        OutputDataConfig={"S3OutputPath": "s3://sagemaker-prices/"},
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
    )
    request["ResourceConfig"]["VolumeSizeInGB"] = 1
    saving = int(re.search(r"usual saving of (\d+)%", prices.estimate(request))[1]) / 100

    client = daemon.client("sagemaker")
    client.create_training_job(**request)
    deadline = time.monotonic() + 60
    while True:
        job = client.describe_training_job(TrainingJobName="prices-spot")
        if job["TrainingJobStatus"] != "InProgress":
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    took = job["TrainingTimeInSeconds"]  # rounded up, as the other is
    assert took >= 9
    least, most = math.ceil((1 - saving) * (took - 1)), math.ceil((1 - saving) * took)
    assert least <= job["BillableTimeInSeconds"] <= most
