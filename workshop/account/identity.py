"""Who a learner is on AWS: account, region, the role of the jobs, the bucket."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workshop.account import DEPLOY, STACK, TAG_KEY, TAG_VALUE
from workshop.emulator.errors import WorkshopError

if TYPE_CHECKING:
    import boto3

SERVICE = "sagemaker.amazonaws.com"

_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:role/.+")
_ASSUMED_ROLE = re.compile(r"arn:[\w-]+:sts::\d{12}:assumed-role/(?P<name>[^/]+)/")
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
_MISSING = {
    "NoSuchBucket",  # S3
    "RepositoryNotFoundException",  # ECR
    "ResourceNotFound",  # SageMaker: DescribeTrainingJob and a few more
    "NoSuchEntity",  # IAM
}
#: CloudFormation (ValidationError) and most of SageMaker (ValidationException) have no code of
#: their own for it. They say it in these words, by which AWS's controllers for Kubernetes go too
#: (aws-controllers-k8s/sagemaker-controller, generator.yaml).
_MISSING_IN_WORDS = re.compile(r"(?i)could not find|not found|does not exist")
_THROTTLED = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded"),
    *("TooManyRequestsException", "SlowDown"),
}

SDK_DEFAULT = "the SDK's default, made when it is missing; ./lab clean --aws leaves it"
NO_ROLE = (
    "none: you are not a role that SageMaker may take. Make one, and a bucket with it:\n"
    f"  {DEPLOY}\n"
    "or name one that you have: export WORKSHOP_ROLE=arn:aws:iam::…"
)


@dataclass(frozen=True)
class Account:
    """Where calls go, and what jobs use. `role` is empty when none was found."""

    number: str
    caller: str  # ARN of the user or role that calls
    region: str
    role: str
    role_from: str
    bucket: str
    bucket_from: str


def find() -> Account:
    """Ask AWS who is calling, and find the role and the bucket for the jobs.

    The role is, in this order: what ``WORKSHOP_ROLE`` names; the caller itself, where it is a role
    that SageMaker may take (Studio, notebook instances); the one of the workshop's stack. The
    bucket: what ``WORKSHOP_BUCKET`` names; the stack's; the SDK's default.

    Raises WorkshopError, with what to do, for a missing region, for missing, wrong or expired
    credentials, and when AWS cannot be reached.
    """
    session, region = start()
    caller = whoami(session)
    outputs = _stack_outputs(session)
    role, role_from = _role(session, caller, outputs)
    bucket, bucket_from = _bucket(outputs, f"sagemaker-{region}-{caller['Account']}")
    return Account(caller["Account"], caller["Arn"], region, role, role_from, bucket, bucket_from)


def start() -> tuple[boto3.Session, str]:
    """Return a session with the learner's credentials, read anew, and its region.

    Raises WorkshopError where no region is set or the profile is not there, and inside the
    emulated AWS.
    """
    if "WORKSHOP_ENDPOINT" in os.environ:
        raise WorkshopError(
            "This terminal belongs to the emulated AWS, which hides your credentials: ./lab start "
            "or ./lab exec opened it. Open another terminal, and call ./lab there."
        )
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        session = boto3.Session()
        region = session.region_name
    except BotoCoreError as error:
        raise WorkshopError(explain(error)) from None
    if region:
        return session, region
    known = os.environ.get("AWS_REGION")
    raise WorkshopError(
        "No AWS region is set"
        + (f" for boto3, which does not read AWS_REGION={known}" if known else "")
        + f". Set one: export AWS_DEFAULT_REGION={known or 'us-east-1'}, or: aws configure set "
        f"region {known or 'us-east-1'}"
    )


def client(session: boto3.Session, service: str):
    """Return a client that does not wait for long where there is no network."""
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
    return session.client(service, config=config)


def whoami(session: boto3.Session) -> dict:
    """Return what STS says of the caller (``Account``, ``Arn``). Raises WorkshopError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return client(session, "sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise WorkshopError(explain(error)) from None


def principal(session: boto3.Session, account: Account) -> str:
    """Return the ARN of the user or role whose policies say what the caller may do.

    "" for the root user, who may do everything, and for others that IAM has no policies of. Raises
    what botocore does where IAM may not be asked.
    """
    if account.role_from == "you":
        return account.role
    assumed = _ASSUMED_ROLE.match(account.caller)
    if assumed:
        return client(session, "iam").get_role(RoleName=assumed["name"])["Role"]["Arn"]
    return account.caller if ":user/" in account.caller else ""


def trusts_sagemaker(policy: dict) -> bool:
    """Tell whether a role's trust policy lets SageMaker take the role.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    return any(
        one.get("Effect") == "Allow"
        and {SERVICE, "*"} & _set(_services(one.get("Principal")))
        and {"sts:assumerole", "sts:*", "*"} & {name.lower() for name in _set(one.get("Action"))}
        for one in _list(policy.get("Statement"))
    )


def role_name(arn: str) -> str:
    """Return the name in a role's ARN, without its path."""
    return arn.rpartition("/")[2]


def denied(error: Exception) -> bool:
    """Tell whether AWS refused a call because the caller may not make it."""
    return code(error) in _DENIED


def missing(error: Exception) -> bool:
    """Tell whether AWS answered that what it was asked for is not there.

    No other error means that: a service that has no answer now does not say that a thing is gone.
    """
    if code(error) in ("ValidationError", "ValidationException"):
        return bool(_MISSING_IN_WORDS.search(error.response["Error"].get("Message", "")))
    return code(error) in _MISSING


def code(error: Exception) -> str:
    """Return AWS's error code, or "" for an error that is not AWS's."""
    return getattr(error, "response", {}).get("Error", {}).get("Code", "")


def explain(error: Exception) -> str:
    """Say in words what is wrong with the credentials or the network, and what to do."""
    from botocore import exceptions

    profile = os.environ.get("AWS_PROFILE")
    option = f" --profile {profile}" if profile else ""
    renew = (
        f"Sign in again (aws sso login{option}), or get new keys from where you got these, and "
        "start again."
    )
    match error:
        case exceptions.ProfileNotFound():
            return (
                f"AWS_PROFILE is {profile!r}, and there is no such profile. Choose one of: "
                "aws configure list-profiles"
            )
        case exceptions.NoCredentialsError():
            return (
                "No AWS credentials were found. Run `aws configure` or `aws configure sso`, or "
                "name a profile that you have: export AWS_PROFILE=…"
            )
        case exceptions.PartialCredentialsError():
            return f"Half of the AWS credentials is missing: {error} Run `aws configure`."
        case exceptions.SSOError() | exceptions.TokenRetrievalError() | exceptions.LoginError():
            return f"Your AWS sign-in has ended ({error}). {renew}"
        case (
            exceptions.ConnectionError()
            | exceptions.HTTPClientError()
            | exceptions.InvalidRegionError()
        ):
            return (
                f"AWS cannot be reached: {error} Check the network, the proxy (HTTPS_PROXY), and "
                "the name of the region."
            )
    match code(error):
        case "ExpiredToken" | "ExpiredTokenException" | "RequestExpired":
            return f"Your AWS credentials have expired. {renew}"
        case "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId":
            return (
                "AWS does not know this access key: it is wrong, was deleted, or needs the "
                "session token that came with it (AWS_SESSION_TOKEN), or the region is not "
                "switched on in the account. See which one is used: aws configure list"
            )
        case "SignatureDoesNotMatch":
            return (
                "The secret access key does not belong to the access key, or this machine's "
                "clock is wrong. Run `aws configure` again."
            )
    if code(error) in _THROTTLED:
        return f"AWS was asked too often ({error}). Wait a minute, then try again."
    return str(error)


def _role(session: boto3.Session, caller: dict, outputs: dict[str, str]) -> tuple[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    chosen = os.environ.get("WORKSHOP_ROLE")
    if chosen:
        if not _ROLE_ARN.fullmatch(chosen):
            raise WorkshopError(
                f"WORKSHOP_ROLE is {chosen!r}. Give the ARN of a role, like "
                "arn:aws:iam::123456789012:role/name, or unset it."
            )
        if chosen.split(":")[4] != caller["Account"]:
            raise WorkshopError(
                f"WORKSHOP_ROLE is {chosen}, and your credentials belong to the account "
                f"{caller['Account']}. Set a role of that one, or: unset WORKSHOP_ROLE "
                "WORKSHOP_BUCKET"
            )
        return chosen, _from(chosen, outputs.get("RoleArn"), "WORKSHOP_ROLE")
    arn = caller["Arn"]
    assumed = _ASSUMED_ROLE.match(arn)
    if assumed:
        try:
            role = client(session, "iam").get_role(RoleName=assumed["name"])["Role"]
        except (BotoCoreError, ClientError) as error:
            _refuse_unless_missing_or_denied(error)
            # As the SDK does it where IAM may not be asked (get_caller_identity_arn).
            if "AmazonSageMaker-ExecutionRole" in assumed["name"]:
                start = arn.partition(":assumed-role/")[0].replace(":sts:", ":iam:")
                return f"{start}:role/service-role/{assumed['name']}", "you"
        else:
            if trusts_sagemaker(role["AssumeRolePolicyDocument"]):
                return role["Arn"], "you"
    if "RoleArn" in outputs:
        return outputs["RoleArn"], f"the stack {STACK}"
    return "", ""


def _bucket(outputs: dict[str, str], default: str) -> tuple[str, str]:
    chosen = os.environ.get("WORKSHOP_BUCKET")
    if chosen:
        return chosen, _from(chosen, outputs.get("BucketName"), "WORKSHOP_BUCKET")
    if "BucketName" in outputs:
        return outputs["BucketName"], f"the stack {STACK}"
    return default, SDK_DEFAULT


def _from(chosen: str, stacks: str | None, variable: str) -> str:
    """Say where a name comes from: a variable that `./lab exec --aws` set holds the stack's."""
    return f"the stack {STACK}" if chosen == stacks else variable


def _stack_outputs(session: boto3.Session) -> dict[str, str]:
    """Return RoleArn and BucketName of the workshop's stack; nothing when there is none to see."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        (stack,) = client(session, "cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        _refuse_unless_missing_or_denied(error)
        return {}
    if {"Key": TAG_KEY, "Value": TAG_VALUE} not in stack.get("Tags", []):
        return {}  # somebody else's
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def _refuse_unless_missing_or_denied(error: Exception) -> None:
    """Raise WorkshopError where AWS did not answer: a job would get another role or bucket."""
    if not (missing(error) or denied(error)):
        raise WorkshopError(explain(error)) from None


def _services(principal) -> list | str | None:
    return principal.get("Service") if isinstance(principal, dict) else principal


def _list(value) -> list:
    return value if isinstance(value, list) else [] if value is None else [value]


def _set(value) -> set[str]:
    return set(_list(value))
