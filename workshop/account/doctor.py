"""`./lab doctor --aws`: is the learner's account ready for the labs, and what to do if not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import NamedTuple

from workshop import prices, terminal
from workshop.account import DEPLOY, endpoints, identity, permissions
from workshop.account.identity import Account
from workshop.course import manifest
from workshop.emulator.errors import WorkshopError
from workshop.terminal import Check


class Quota(NamedTuple):
    """How many instances the labs have at once, by the name of AWS's quota for them."""

    name: str
    uses: tuple[tuple[int, manifest.Instances], ...]  # with the number of the section

    def needed_by(self, have: int, optional: bool) -> tuple[list[int], int]:
        """Return the sections for which `have` is too little, and the largest number they need."""
        short = [
            (number, one.at_once)
            for number, one in self.uses
            if one.at_once > have and one.optional == optional
        ]
        return [number for number, _ in short], max((count for _, count in short), default=0)


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
    for name, look in (
        ("role", _role),
        ("permission", _permissions),
        ("bucket", _bucket),
        ("quota", _quotas),
        ("endpoint", _endpoints),
    ):
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
    "SimulatePrincipalPolicy": "iam:SimulatePrincipalPolicy",
    "GetResources": "tag:GetResources",
    "DescribeEndpoint": "sagemaker:DescribeEndpoint",
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


def _permissions(session, account: Account) -> Iterator[Check]:
    """May the learner do what the labs do, and the role what a pipeline does with it?"""
    if not account.role:
        return  # said before
    learner = identity.principal(session, account)
    people = [(account.role, "the role", permissions.OF_PIPELINES)]
    if learner == account.role:
        people = [(learner, "you", permissions.ACTIONS)]
    elif learner:
        people.insert(0, (learner, "you", permissions.ACTIONS))
    for arn, name, actions in people:
        missing = permissions.missing(session, account, arn, actions)
        if missing:
            denied = ", ".join(action for _, action in missing)
            finding = (
                f"{name} may not {denied} ({arn}). Ask for that, or compare infra/workshop.yaml"
            )
            yield Check("permission", "FIX", finding)
        else:
            what = "all that the labs do" if name == "you" else "all that a pipeline does with it"
            yield Check("permission", "ok", f"{name} may do {what}")


def _endpoints(session, account: Account) -> Iterator[Check]:
    """An endpoint that somebody forgot costs money all day."""
    for one in endpoints.find(session):
        remove = (
            f"aws sagemaker delete-endpoint --endpoint-name {one.name} --region {account.region}"
        )
        yield Check("endpoint", "note", f"{one.line()}. Delete it: {remove}")


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


def quotas(labs: Sequence[manifest.Lab]) -> list[Quota]:
    """Return what the sections of the labs need, one for each quota of AWS."""
    uses: dict[str, list] = {}
    for section in _sections(labs):
        for one in section.instances:
            name = f"{one.type} for {one.use} usage"
            uses.setdefault(name, []).append((section.number, one))
    return [Quota(name, tuple(uses[name])) for name in uses]


def _quotas(session, account: Account) -> Iterator[Check]:
    """How many instances may run at once? For many new accounts it is 0.

    https://docs.aws.amazon.com/sagemaker/latest/dg/regions-quotas.html
    """
    needed = quotas(manifest.labs())
    wanted = {quota.name for quota in needed}
    client = identity.client(session, "service-quotas")
    found = _find_quotas(client.get_paginator("list_service_quotas"), wanted)
    missing = wanted - found.keys()
    if missing:  # an account that never changed a quota may have the default alone
        defaults = client.get_paginator("list_aws_default_service_quotas")
        found |= _find_quotas(defaults, missing)
    for quota in needed:
        yield _quota(quota, found.get(quota.name), account.region)


def _quota(quota: Quota, found: dict | None, region: str) -> Check:
    """Compare what the labs need with what AWS says of a quota (ListServiceQuotas)."""
    if found is None:
        return Check("quota", "note", f"{quota.name}: AWS names no such quota in {region}")
    have = int(found["Value"])
    most = max(one.at_once for _, one in quota.uses)
    ask = (
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        f"--quota-code {found['QuotaCode']} --desired-value {most} --region {region}"
    )
    sections, least = quota.needed_by(have, optional=False)
    if sections:
        finding = f"{quota.name}: {have}, and {_named(sections, 'needs', 'need')} {least}"
        mail = f"Ask for {most}, and wait for AWS's mail"
        return Check("quota", "FIX", f"{finding}. {mail}: {ask}")
    sections, _ = quota.needed_by(have, optional=True)
    if sections:
        finding = f"{quota.name}: {have}, and the bonus of {_named(sections)} needs {most}"
        return Check("quota", "note", f"{finding}. For it: {ask}")
    return Check("quota", "ok", f"{quota.name}: {have} ({_named([n for n, _ in quota.uses])})")


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

    known, unknown, reason = [], [], ""
    for image, sections in images(manifest.labs()).items():
        where = _named([section.number for section in sections])
        name = f"{image.framework} {image.version} ({where})"
        given = {key: value for key, value in asdict(image).items() if value is not None}
        try:
            # The instance type decides between an image for processors and one for GPUs.
            kind = sections[0].instances[0].type
            image_uris.retrieve(**given, region=region, instance_type=kind)
        except (ValueError, KeyError) as error:
            unknown.append(name)
            reason = reason or str(error).partition(". ")[0]  # all regions of the SDK follow
        else:
            known.append(name)
    if unknown:
        finding = (
            f"the SDK knows none for {', '.join(unknown)} in {region} ({reason}). Choose another "
            "region: export AWS_DEFAULT_REGION=us-east-1"
        )
        yield Check("images", "FIX", finding)
    if known:
        yield Check("images", "ok", f"{region} has {', '.join(known)}")


def images(labs: Sequence[manifest.Lab]) -> dict[manifest.Image, list[manifest.Section]]:
    """Return the images of the labs, each one with the sections that use it."""
    found: dict[manifest.Image, list[manifest.Section]] = {}
    for section in _sections(labs):
        for image in section.images:
            found.setdefault(image, []).append(section)
    return found


def _sections(labs: Sequence[manifest.Lab]) -> list[manifest.Section]:
    return [section for lab in labs for section in lab.sections]


def _named(sections: Sequence[int], one: str = "", several: str = "") -> str:
    """Write numbers of sections short, with a verb if need be: `sections 1 to 3, 5 need`."""
    numbers = sorted(set(sections))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    noun, verb = ("section", one) if len(numbers) == 1 else ("sections", several)
    return f"{noun} {', '.join(parts)} {verb}".rstrip()
