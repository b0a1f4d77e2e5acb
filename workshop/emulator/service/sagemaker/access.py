"""What a role may do with the data of a job."""

from __future__ import annotations

import re

from workshop.emulator.service.storage import transfer
from workshop.emulator.settings import ROLE


def check(role: str, verb: str, uri: str) -> None:
    """Raise DataError where the account's default role may not read or write ``uri``.

    It has the policy AmazonSageMakerFullAccess, which opens objects whose ARN, so bucket or key,
    has a certain word in it. Other roles may do all.
    https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol.html
    """
    name = "/".join(transfer.split(uri))
    if role.rpartition("/")[2] != ROLE or re.search("(?i)sagemaker|aws-glue", name):
        return
    what = "Data download failed" if verb == "read" else "Data upload failed"
    raise transfer.DataError(
        f"{what}: AccessDenied: the role {ROLE} may not {verb} {uri}. Its policy, "
        'AmazonSageMakerFullAccess, opens only what has "sagemaker" in its name. Use such a '
        "bucket, as the session's default_bucket(), or give the job a role that may use this one."
    )
