"""`./lab doctor --aws`: is the learner's account ready for the labs, and what to do if not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

from workshop import prices, terminal
from workshop.account import DEPLOY, identity
from workshop.account.identity import Account
from workshop.emulator.errors import WorkshopError
from workshop.terminal import Check

#: What the labs ask for: instance type, kind of use, instances at once (all labs, the bonus too).
NEEDED = (
    ("ml.m5.xlarge", "processing job", 1, 3),
    ("ml.m5.xlarge", "training job", 1, 1),
    ("ml.m5.xlarge", "spot training job", 1, 1),
)

#: The images of the labs, as `sagemaker.image_uris.retrieve` takes them.
IMAGES = (
    {"framework": "tensorflow", "version": "2.19.0", "py_version": "py312"},
    {"framework": "sklearn", "version": "1.2-1", "py_version": "py3"},
)


def doctor() -> int:
    """Print the report; return 1 when something blocks the labs."""
    return terminal.report(
        checks(), again="./lab doctor --aws", all_well="Your account is ready: ./lab start --aws"
    )


def checks() -> list[Check]:
    """Look at one thing after the other; without credentials there is nothing more to look at."""
    try:
        session, region = identity.start()
        account = identity.find()
    except WorkshopError as error:
        return [Check("account", "FIX", str(error))]
    found = [
        Check("account", "ok", f"{account.number}, you are {account.caller}"),
        _region(region),
    ]
    for name, look in (("role", _role), ("bucket", _bucket), ("quota", _quotas)):
        found += _guarded(name, look, session, account)
    return [*found, *_images(region)]


def _guarded(name: str, look: Callable, session, account: Account) -> list[Check]:
    """Look; where AWS refuses the question, say which permission is missing."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return list(look(session, account))
    except (BotoCoreError, ClientError) as error:
        if identity.denied(error):
            return [Check(name, "note", f"not checked: {_missing(error)}")]
        return [Check(name, "FIX", _one_line(identity.explain(error)))]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]


#: IAM's names of operations that are called otherwise.
_PERMISSIONS = {
    "HeadBucket": "s3:ListBucket",
    "GetRole": "iam:GetRole",
    "ListServiceQuotas": "servicequotas:ListServiceQuotas",
    "ListAWSDefaultServiceQuotas": "servicequotas:ListAWSDefaultServiceQuotas",
}


def _missing(error) -> str:
    permission = _PERMISSIONS.get(error.operation_name, error.operation_name)
    return f"you may not {permission}. Ask for that permission, or look in the console."


def _region(region: str) -> Check:
    import boto3

    known = boto3.Session().get_available_regions("sagemaker")
    if region not in known:
        finding = (
            f"{region}: boto3 knows no SageMaker there. Choose another: "
            "export AWS_DEFAULT_REGION=us-east-1"
        )
        return Check("region", "FIX", finding)
    if region not in prices.regions():
        finding = f"{region}; the table of prices does not have it, us-east-1's stand in"
        return Check("region", "ok", finding)
    return Check("region", "ok", region)


def _role(session, account: Account) -> Iterator[Check]:
    """Does SageMaker trust the role?"""
    if not account.role:
        yield Check("role", "FIX", _one_line(identity.NO_ROLE))
        return
    name = identity.role_name(account.role)
    iam = identity.client(session, "iam")
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        yield Check("role", "FIX", f"{account.role} is not there. Make one: {DEPLOY}")
        return
    policy = role["AssumeRolePolicyDocument"]
    if role["Arn"] != account.role:
        finding = f"{account.role} is not there; there is {role['Arn']}: set WORKSHOP_ROLE to it"
        yield Check("role", "FIX", finding)
    elif identity.trusts_sagemaker(policy):
        finding = f"{account.role} ({account.role_from}); SageMaker may take it"
        yield Check("role", "ok", finding)
    else:
        finding = (
            f"SageMaker may not take {account.role}: its trust policy does not name "
            f"{identity.SERVICE}. Add it: aws iam update-assume-role-policy --role-name {name} "
            f"--policy-document '{json.dumps(_with_sagemaker(policy))}'"
        )
        yield Check("role", "FIX", finding)


def _with_sagemaker(policy: dict) -> dict:
    """Return a trust policy with the statement that lets SageMaker take the role."""
    statements = policy.get("Statement", [])
    ours = {
        "Effect": "Allow",
        "Principal": {"Service": identity.SERVICE},
        "Action": "sts:AssumeRole",
    }
    old = statements if isinstance(statements, list) else [statements]
    return {"Version": "2012-10-17", **policy, "Statement": [*old, ours]}


def _bucket(session, account: Account) -> Iterator[Check]:
    """Is it there, in the jobs' region, and may a default role use it?

    AmazonSageMakerFullAccess reaches objects of buckets with "sagemaker" in their name:
    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    from botocore.exceptions import ClientError

    name = account.bucket
    if "sagemaker" not in name.lower():
        finding = (
            f"{name}: a default role only reaches buckets with sagemaker in their name. "
            f"Choose one that has: export WORKSHOP_BUCKET=sagemaker-{name}"
        )
        yield Check("bucket", "FIX", finding)
        return
    try:
        answer = identity.client(session, "s3").head_bucket(
            Bucket=name, ExpectedBucketOwner=account.number
        )
    except ClientError as error:
        if identity.code(error) == "404" and account.bucket_from == identity.SDK_DEFAULT:
            yield Check("bucket", "ok", f"{name}, {identity.SDK_DEFAULT}")
        elif identity.code(error) == "404":
            finding = f"{name} is not there ({account.bucket_from}). Make one: {DEPLOY}"
            yield Check("bucket", "FIX", finding)
        elif identity.code(error) == "403":
            finding = (
                f"{name} belongs to another account, or you may not s3:ListBucket. Ask for that "
                "permission, or choose another: export WORKSHOP_BUCKET=sagemaker-…"
            )
            yield Check("bucket", "FIX", finding)
        else:
            raise
        return
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region", account.region)
    if region != account.region:
        finding = (
            f"{name} is in {region}, and jobs run in {account.region}: a job needs both in one. "
            f"Go there: export AWS_DEFAULT_REGION={region}"
        )
        yield Check("bucket", "FIX", finding)
    else:
        yield Check("bucket", "ok", f"{name} ({account.bucket_from})")


def _quotas(session, account: Account) -> Iterator[Check]:
    """How many instances may run at once? For many new accounts it is 0.

    https://docs.aws.amazon.com/sagemaker/latest/dg/regions-quotas.html
    """
    wanted = {f"{kind} for {use} usage" for kind, use, _, _ in NEEDED}
    quotas = identity.client(session, "service-quotas")
    found = _find_quotas(quotas.get_paginator("list_service_quotas"), wanted)
    missing = wanted - found.keys()
    if missing:  # an account that never changed a quota may have the default alone
        defaults = quotas.get_paginator("list_aws_default_service_quotas")
        found |= _find_quotas(defaults, missing)
    for kind, use, least, most in NEEDED:
        name = f"{kind} for {use} usage"
        quota = found.get(name)
        if quota is None:
            yield Check("quota", "note", f"{name}: AWS names no such quota in {account.region}")
            continue
        have = int(quota["Value"])
        ask = (
            "aws service-quotas request-service-quota-increase --service-code sagemaker "
            f"--quota-code {quota['QuotaCode']} --desired-value {most} --region {account.region}"
        )
        if have < least:
            finding = f"{name}: {have}. Ask for {most}, and wait for AWS's mail: {ask}"
            yield Check("quota", "FIX", finding)
        elif have < most:
            finding = f"{name}: {have}, and the bonus section uses {most}. For it: {ask}"
            yield Check("quota", "note", finding)
        else:
            yield Check("quota", "ok", f"{name}: {have}")


def _find_quotas(paginator, names: set[str]) -> dict[str, dict]:
    """Return quotas by name; SageMaker has thousands, so stop when all are found."""
    found: dict[str, dict] = {}
    for page in paginator.paginate(ServiceCode="sagemaker"):
        found |= {one["QuotaName"]: one for one in page["Quotas"] if one["QuotaName"] in names}
        if found.keys() == names:
            break
    return found


def _images(region: str) -> Iterator[Check]:
    """Does the SDK know the labs' images in this region?"""
    import logging

    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    for name in ("sagemaker.config", "sagemaker.image_uris"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from sagemaker import image_uris

    for image in IMAGES:
        name = f"{image['framework']} {image['version']}"
        try:
            uri = image_uris.retrieve(
                **image, region=region, instance_type=NEEDED[0][0], image_scope="training"
            )
        except (ValueError, KeyError) as error:
            finding = (
                f"no image of {name} in {region} ({error}). Choose another region: "
                "export AWS_DEFAULT_REGION=us-east-1"
            )
            yield Check("image", "FIX", finding)
        else:
            yield Check("image", "ok", uri)
