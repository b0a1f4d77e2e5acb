"""How many instances of one type may be in use: AWS's quotas, one for each kind of use.

https://docs.aws.amazon.com/sagemaker/latest/dg/regions-quotas.html
"""

from __future__ import annotations

from collections.abc import Mapping

from workshop.emulator.errors import ApiError

#: For each type, and each kind of use. A real account has another one for each.
INSTANCES = 20


def check(use: str, wanted: Mapping[str, int], used: Mapping[str, int], instead: str) -> None:
    """Raise ApiError where the account has not as many instances left.

    ``use`` is AWS's word for it, such as ``training job``; ``wanted`` and ``used`` are numbers of
    instances by their type. ``instead`` says how some become free.
    """
    for instance_type, count in wanted.items():
        if used.get(instance_type, 0) + count > INSTANCES:
            raise ApiError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{instance_type} for {use} usage' is "
                f"{INSTANCES} Instances, with current utilization of "
                f"{used.get(instance_type, 0)} Instances and a request delta of {count} "
                f"Instances. Ask for fewer instances, or {instead}. (On AWS you can ask for a "
                "higher quota.)",
            )
