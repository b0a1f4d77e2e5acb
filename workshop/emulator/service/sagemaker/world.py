"""The account as the rules of a request see it."""

from __future__ import annotations

from dataclasses import dataclass

from workshop.emulator.service.sagemaker.resource import Account


@dataclass(frozen=True)
class AccountWorld:
    """What validation asks of the account (``validation.World``)."""

    resources: Account
    region: str

    @property
    def account(self) -> str:
        return self.resources.number

    def exists(self, resource_type: str, name: str) -> bool:
        return self.resources.by_arn(self.resources.arn("", resource_type, name)) is not None

    def role_exists(self, arn: str) -> bool:
        from moto.iam.models import iam_backends

        return any(role.arn == arn for role in iam_backends[self.account]["aws"].roles.values())

    def bucket_exists(self, bucket: str) -> bool:
        return self.resources.store.has_bucket(bucket)

    def has_objects(self, bucket: str, prefix: str) -> bool:
        return bool(self.resources.store.keys(bucket, prefix))
