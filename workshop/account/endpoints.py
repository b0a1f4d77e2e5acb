"""The endpoints of a learner's own account: they cost money until somebody deletes them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple

from workshop import prices
from workshop.account import TAG_KEY, TAG_VALUE, identity

#: In these, nothing runs (API_DescribeEndpoint, EndpointStatus).
_WITHOUT_HOSTS = ("Failed", "Deleting")


class Endpoint(NamedTuple):
    """An endpoint that is there. `costs` fits after "costs"; it is "" where nothing runs."""

    name: str
    status: str
    costs: str
    since: datetime

    def line(self) -> str:
        """Say in one line what it costs, and since when it does."""
        since = f"{self.since.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
        return f"endpoint {self.name} costs {self.costs}; it has been there since {since}"


def read(sagemaker, name: str) -> Endpoint:
    """Ask AWS about an endpoint. Raises what botocore does when there is none."""
    found = sagemaker.describe_endpoint(EndpointName=name)
    status = found["EndpointStatus"]
    costs = "" if status in _WITHOUT_HOSTS else _costs(sagemaker, found)
    return Endpoint(found["EndpointName"], status, costs, found["CreationTime"])


def _costs(sagemaker, found: dict) -> str:
    """What an endpoint runs on is in its configuration, and how many there are now is not.

    AWS lets one delete the configuration first (DeleteEndpointConfig: "you may lose visibility
    into the instance type the endpoint is using").
    """
    from botocore.exceptions import ClientError

    config = found["EndpointConfigName"]
    try:
        configured = sagemaker.describe_endpoint_config(EndpointConfigName=config)
    except ClientError as error:
        if identity.missing(error):
            return f"an amount that is not known here: its configuration {config} is gone"
        raise
    now = {one["VariantName"]: one for one in found.get("ProductionVariants", ())}
    variants = []
    for one in configured["ProductionVariants"]:
        count = now.get(one["VariantName"], {}).get("CurrentInstanceCount")
        variants.append(one | ({"InitialInstanceCount": count} if count else {}))
    return prices.of_endpoint(variants, sagemaker.meta.region_name)


def tell() -> None:
    """Print a line for each of the workshop's endpoints that cost; say where AWS is silent."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session, _ = identity.start()
        found = find(session)
    except (BotoCoreError, ClientError) as error:
        print(f"Whether an endpoint is left is not known: {identity.explain(error)}")
        return
    for one in found:
        print(f"COSTS MONEY NOW: {one.line()}. ./lab clean --aws deletes it.")


def find(session) -> list[Endpoint]:
    """Return the workshop's endpoints on which something runs; raise what botocore does.

    The index of tags is late: it names some that are gone.
    """
    from botocore.exceptions import ClientError

    pages = identity.client(session, "resourcegroupstaggingapi").get_paginator("get_resources")
    tagged = pages.paginate(
        TagFilters=[{"Key": TAG_KEY, "Values": [TAG_VALUE]}],
        ResourceTypeFilters=["sagemaker:endpoint"],
    )
    sagemaker = identity.client(session, "sagemaker")
    found = []
    for arn in [one["ResourceARN"] for page in tagged for one in page["ResourceTagMappingList"]]:
        try:
            found.append(read(sagemaker, arn.rpartition("/")[2]))
        except ClientError as error:
            if not identity.missing(error):
                raise
    return [one for one in found if one.costs]
