"""The tags of all kinds of resources.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddTags.html
"""

from __future__ import annotations

from workshop.emulator.errors import ApiError
from workshop.emulator.service.sagemaker import paging, search
from workshop.emulator.service.sagemaker.operation import Caller, Operation, Topic
from workshop.emulator.service.sagemaker.resource import Account, Resource


def _add(account: Account, request: dict, _: Caller) -> dict:
    new = {tag["Key"] for tag in request["Tags"]}
    one = _tagged(account, request)
    one.tags = [tag for tag in one.tags if tag["Key"] not in new] + request["Tags"]
    one.keep()
    return {"Tags": one.tags}


def _delete(account: Account, request: dict, _: Caller) -> dict:
    one = _tagged(account, request)
    one.tags = [tag for tag in one.tags if tag["Key"] not in request["TagKeys"]]
    one.keep()
    return {}


def _list(account: Account, request: dict, _: Caller) -> dict:
    part, more = paging.page(_tagged(account, request).tags, {"MaxResults": 100} | request)
    return {"Tags": part, **more}


def _tagged(account: Account, request: dict) -> Resource:
    one = account.by_arn(request["ResourceArn"])
    if one is None:
        words = f"There is no resource {request['ResourceArn']!r}."
        raise ApiError("ValidationException", words)
    return one.tagged()


TOPIC = Topic(
    "Tags and search",
    {
        "AddTags": Operation(_add),
        "ListTags": Operation(_list),
        "DeleteTags": Operation(_delete),
        "Search": Operation(search.answer),
    },
)
