"""Endpoints: hosts that stay, and answer as long as nobody deletes them.

An endpoint outlives the server: its hosts are started again when it is asked the next time.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from workshop.emulator.errors import ApiError, WorkshopError
from workshop.emulator.service.sagemaker import capture, compute, endpoint_record, quotas, serving
from workshop.emulator.service.sagemaker.endpoint_configs import EndpointConfig
from workshop.emulator.service.sagemaker.models import Model, resolved
from workshop.emulator.service.sagemaker.operation import (
    Caller,
    Operation,
    Topic,
    asked,
    describe,
    known,
    listing,
)
from workshop.emulator.service.sagemaker.resource import Account, Resource
from workshop.emulator.service.sagemaker.validation import rules
from workshop.emulator.service.sagemaker.variants import Variant

_IN_PROGRESS = ("Creating", "Updating", "Deleting")


class Endpoint(Resource):
    """An endpoint. It has a copy of all that it runs: configuration and models may be deleted."""

    title = "endpoint"
    resource_type = "endpoint"
    name_member, arn_member = "EndpointName", "EndpointArn"
    status_member = "EndpointStatus"
    search_name = search_shape = "Endpoint"
    works = True
    missing = 'Could not find endpoint "{arn}".'

    def __init__(
        self,
        account: Account,
        description: dict,
        tags: Sequence[dict],
        deployed: dict,
        directory: str = "",
        had: Sequence[dict] = (),
    ) -> None:
        """Prepare to run ``deployed``: what ``_deployment`` returns.

        ``directory`` is the caller's, ``had`` the configurations in the record.
        """
        super().__init__(account, description, tags)
        self.changing = threading.RLock()
        self._deployed = deployed
        self._directory, self._had = directory, [*had] or [endpoint_record.configuration(deployed)]
        #: Those whose hosts may run: of an update that goes on too, and what it takes the place of.
        self._running: list[Variant] = []
        self._variants: dict[str, Variant] = self._make(deployed)
        self._server_ends = False

    def _make(self, deployed: dict) -> dict[str, Variant]:
        created = self.description["CreationTime"]
        made = [
            Variant(self.account, self.name, created, self.folder, one)
            for one in deployed["variants"]
        ]
        self._running += made
        return {one.name: one for one in made}

    @property
    def ended(self) -> bool:
        """Hosts that wait for requests keep no server."""
        return self.status not in _IN_PROGRESS

    # --- its life -------------------------------------------------------------------------

    def create(self) -> None:
        """Start what it was made for."""
        self._record()
        self._in_thread(self._create)

    def update(self, deployed: dict) -> None:
        """Start something else beside what runs, and then take its place."""
        with self.changing:
            self.change(EndpointStatus="Updating")
        self._in_thread(self._update, deployed)

    def delete(self) -> None:
        """End its hosts."""
        for variant in [*self._running]:
            variant.hosting.close()

    def _in_thread(self, work, *arguments: object) -> None:
        def run() -> None:
            try:
                work(*arguments)
            except Exception:
                traceback.print_exc()  # to the server's log
                self._fail(f"InternalServerError: {traceback.format_exc()[-900:]}")
            finally:
                self.account.news.tell(running=-1)

        self.account.news.tell(running=1)
        threading.Thread(target=run, daemon=True).start()

    def _create(self) -> None:
        problem = _start(self._variants)
        if problem:
            self._fail(problem)
        else:
            self._in_service(self._deployed, self._variants)

    def _update(self, deployed: dict) -> None:
        variants = self._make(deployed)
        problem = _start(variants)
        if not self._server_ends:
            self._had.append(endpoint_record.configuration(deployed, problem))
        if problem:  # what ran before goes on: AWS calls it a rollback
            retired = variants
            if not self._server_ends:
                self.change(EndpointStatus="InService", FailureReason=compute.shortened(problem))
        else:
            retired = self._variants
            self._in_service(deployed, variants)
        for variant in retired.values():
            variant.retire()
            self._running.remove(variant)

    def _in_service(self, deployed: dict, variants: dict[str, Variant]) -> None:
        with self.changing:
            self._deployed, self._variants = deployed, variants
            self.description.pop("FailureReason", None)
            self.change(
                EndpointStatus="InService",
                EndpointConfigName=deployed["name"],
                ProductionVariants=[one.summary() for one in self._variants.values()],
                **capture.summary(deployed["capture"]),
            )
        self.account.news.tell()

    def _fail(self, reason: str) -> None:
        if self._server_ends:  # the next one goes on
            return
        for variant in self._variants.values():
            variant.hosting.close()
        self._had[-1]["FailureReason"] = reason
        self.change(EndpointStatus="Failed", FailureReason=compute.shortened(reason))
        self.account.news.tell()

    def revive(self) -> None:
        if self.status == "Creating":
            self.create()
        elif self.status == "Updating":
            self.change(EndpointStatus="InService")
        elif self.status == "Deleting":
            self.account.remove(self)

    def abandon(self, why: str) -> None:
        self._server_ends = True
        self.delete()

    def instances(self, desired: Sequence[dict] = ()) -> Counter[str]:
        """Return how many instances it has, by their type.

        With ``desired``, DesiredWeightsAndCapacities, it is how many it would have.
        """
        if self.status == "Failed":
            return Counter()
        facts = self.description.get("ProductionVariants", ())
        counts = {one["VariantName"]: one["CurrentInstanceCount"] for one in facts}
        for one in desired:
            if "DesiredInstanceCount" in one:
                counts[one["VariantName"]] = one["DesiredInstanceCount"]
        return _instances(self._deployed, counts)

    # --- asked for an inference -----------------------------------------------------------

    def invoke(self, request: dict) -> dict:
        """Answer an InvokeEndpoint request. Raises ApiError, ModelError among them."""
        variant = self._variant(request.get("TargetVariant"))
        given = {
            "Content-Type": request.get("ContentType"),
            "Accept": request.get("Accept"),
            "X-Amzn-SageMaker-Custom-Attributes": request.get("CustomAttributes"),
            "X-Amzn-SageMaker-Inference-Id": request.get("InferenceId"),
        }
        headers = {name: text for name, text in given.items() if text is not None}
        most = self._facts(variant.name).get("CurrentServerlessConfig", {}).get("MaxConcurrency")
        try:
            answer = variant.ask(request["Body"], headers, most)
        except serving.NotServed as error:
            raise ModelError(self, serving.Answer(500, str(error).encode(), "primary")) from error
        if answer.status != 200:
            raise ModelError(self, answer)
        capture.keep(self, self._deployed["capture"], variant, request, answer)
        content = {
            "ContentType": answer.content_type,
            "CustomAttributes": answer.custom_attributes,
        }
        return {
            "Body": answer.body,
            "InvokedProductionVariant": variant.name,
            **{name: text for name, text in content.items() if text},
        }

    def _variant(self, name: str | None) -> Variant:
        with self.changing:
            variants = dict(self._variants)
            weights = [self._facts(one)["CurrentWeight"] for one in variants]
        if name is None:
            return random.choices([*variants.values()], weights)[0]
        if name not in variants:
            words = f"Variant {name} was not found for endpoint {self.name}. It has"
            raise ApiError("ValidationError", f"{words} {', '.join(variants)}.")
        return variants[name]

    def _facts(self, variant: str) -> dict:
        facts = self.description["ProductionVariants"]
        return next(one for one in facts if one["VariantName"] == variant)

    def set_desired(self, request: dict) -> None:
        """Take new weights and sizes of variants (UpdateEndpointWeightsAndCapacities)."""
        with self.changing:
            found = [dict(one) for one in self.description["ProductionVariants"]]
            by_name = {one["VariantName"]: one for one in found}
            for wanted in request["DesiredWeightsAndCapacities"]:
                name = wanted["VariantName"]
                if name not in by_name:
                    words = f"Variant {name!r} is none of the endpoint's: {', '.join(by_name)}."
                    raise ApiError("ValidationException", words)
                if "DesiredWeight" in wanted:
                    weight = wanted["DesiredWeight"]
                    by_name[name] |= {"DesiredWeight": weight, "CurrentWeight": weight}
                if "DesiredInstanceCount" in wanted:
                    count = wanted["DesiredInstanceCount"]
                    by_name[name] |= {"DesiredInstanceCount": count, "CurrentInstanceCount": count}
                if "ServerlessUpdateConfig" in wanted:
                    old = by_name[name].get("CurrentServerlessConfig", {})
                    new = old | wanted["ServerlessUpdateConfig"]
                    by_name[name] |= {
                        "DesiredServerlessConfig": new,
                        "CurrentServerlessConfig": new,
                    }
            if not any(one["CurrentWeight"] for one in found):
                words = "At least one production variant must have a weight greater than 0."
                raise ApiError("ValidationException", words)
            self.change(ProductionVariants=found)

    # --- on disk --------------------------------------------------------------------------

    def change(self, **members: object) -> None:
        super().change(**members)
        self._record()

    def _record(self) -> None:
        endpoint_record.write(self.description, self._had, self._directory)

    def beside(self) -> dict:
        return {"deployed": self._deployed, "directory": self._directory, "had": self._had}

    @classmethod
    def read(cls, account: Account, kept: dict) -> Endpoint:
        # Earlier versions of the workshop kept no record.
        made_by = kept.get("directory", ""), kept.get("had", ())
        return cls(account, kept["description"], kept["tags"], kept["deployed"], *made_by)

    def load(self) -> None:
        for variant in self._variants.values():
            variant.load()


class ModelError(ApiError):
    """A container answers with an error, or not at all.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    https://github.com/aws/sagemaker-python-sdk/issues/2955 (with the words of the error)
    """

    def __init__(self, endpoint: Endpoint, answer: serving.Answer) -> None:
        region, account = endpoint.arn.split(":")[3:5]
        group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
        where = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        see = f"See {where}#logEventViewer:group={group} in account {account} for more information."
        said = answer.body.decode(errors="replace")
        side = "client" if answer.status < 500 else "server"
        words = f"Received {side} error ({answer.status}) from {answer.container} with message"
        super().__init__("ModelError", f'{words} "{said}". {see}', 424)
        #: What boto3 shows beside code and message.
        self.members = {
            "OriginalStatusCode": answer.status,
            "OriginalMessage": said,
            "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
        }


def _start(variants: Mapping[str, Variant]) -> str:
    """Start variants at the same time; return why that cannot be done, or ""."""

    def problem_of(variant: Variant) -> str:
        try:
            variant.start()
            return ""
        except (serving.NotServed, WorkshopError) as error:  # images.toml cannot be read
            variant.say(str(error))
            return str(error)

    with ThreadPoolExecutor(len(variants)) as pool:
        return next(filter(None, pool.map(problem_of, variants.values())), "")


# --- operations -----------------------------------------------------------------------------------


def _deployment(account: Account, name: str, region: str) -> dict:
    """Return what an endpoint of a configuration runs. Raises ApiError when a part is missing."""
    config = known(account, EndpointConfig, name).facts()
    return {
        "name": name,
        "capture": config.get("DataCaptureConfig"),
        "variants": [
            {
                "config": one,
                "model": resolved(account, known(account, Model, one["ModelName"])),
                "region": region,
            }
            for one in config["ProductionVariants"]
        ],
    }


def _check_quota(account: Account, wanted: Mapping[str, int]) -> None:
    """Raise ApiError where an endpoint wants more instances than the account has left."""
    used = sum((one.instances() for one in account.all(Endpoint)), Counter())
    quotas.check("endpoint", wanted, used, "delete another endpoint")


def _instances(deployed: dict, counts: Mapping[str, int] = MappingProxyType({})) -> Counter[str]:
    """Return how many instances a deployment has, by their type.

    Of a variant that is not in ``counts``, it is the number that it starts with.
    """
    found: Counter[str] = Counter()
    for config in (one["config"] for one in deployed["variants"]):
        if "InstanceType" in config:
            first = config["InitialInstanceCount"]
            found[config["InstanceType"]] += counts.get(config["VariantName"], first)
    return found


def _create(account: Account, request: dict, caller: Caller) -> dict:
    name, now = request["EndpointName"], time.time()
    arn = account.arn(caller.region, Endpoint.resource_type, name)
    description = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": request["EndpointConfigName"],
        "EndpointStatus": "Creating",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    with account.lock:
        if account.find(Endpoint, name):
            raise ApiError(
                "ValidationException", f'Cannot create already existing endpoint "{arn}".'
            )
        deployed = _deployment(account, request["EndpointConfigName"], caller.region)
        _check_quota(account, _instances(deployed))
        tags = request.get("Tags", ())
        endpoint = Endpoint(account, description, tags, deployed, caller.directory)
        account.add(endpoint)
    endpoint.create()
    return {"EndpointArn": arn}


def _settled(account: Account, request: dict) -> Endpoint:
    """Return the endpoint that a request names. Raises ApiError while it is created or updated.

    https://github.com/aws/amazon-sagemaker-examples/issues/3432
    """
    endpoint = asked(account, Endpoint, request)
    if endpoint.status in _IN_PROGRESS:
        words = f'Cannot update in-progress endpoint "{endpoint.arn}".'
        mend = f"Its status is {endpoint.status}: wait until that has ended."
        raise ApiError("ValidationException", f"{words}\n{mend}")
    return endpoint


def _in_service(account: Account, request: dict) -> Endpoint:
    """Of a failed endpoint AWS takes its deletion alone (API_DescribeEndpoint)."""
    endpoint = _settled(account, request)
    if endpoint.status != "InService":
        words = f'Cannot update endpoint "{endpoint.arn}": its status is {endpoint.status}.'
        raise ApiError("ValidationException", f"{words} Delete it, and create it again.")
    return endpoint


def _update(account: Account, request: dict, caller: Caller) -> dict:
    with account.lock:
        endpoint = _in_service(account, request)
        deployed = _deployment(account, request["EndpointConfigName"], caller.region)
        # What it has it gives back: only what it has not is asked for.
        _check_quota(account, _instances(deployed) - endpoint.instances())
        endpoint.update(deployed)
    return {"EndpointArn": endpoint.arn}


def _update_weights(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        endpoint = _in_service(account, request)
        desired = endpoint.instances(request["DesiredWeightsAndCapacities"])
        _check_quota(account, desired - endpoint.instances())
        endpoint.set_desired(request)
    return {"EndpointArn": endpoint.arn}


def _delete(account: Account, request: dict, _: Caller) -> dict:
    with account.lock:
        endpoint = _settled(account, request)
        endpoint.change(EndpointStatus="Deleting")
    endpoint.delete()
    account.remove(endpoint)
    return {}


def _invoke(account: Account, request: dict, _: Caller) -> dict:
    endpoint = account.find(Endpoint, request["EndpointName"])
    if endpoint is None or endpoint.status not in ("InService", "Updating"):
        words = f"Endpoint {request['EndpointName']} of account {account.number} not found."
        if endpoint is not None:
            words += f"\nIts status is {endpoint.status}: it answers when it is InService."
        raise ApiError("ValidationError", words)
    return endpoint.invoke(request)


TOPIC = Topic(
    "Endpoints",
    {
        "CreateEndpoint": Operation(
            _create,
            rules=(rules.unique_tags,),
            without_effect={"DeploymentConfig": "a new endpoint has nothing to take the place of"},
        ),
        "UpdateEndpoint": Operation(
            _update,
            refused={
                "RetainAllVariantProperties": "call UpdateEndpointWeightsAndCapacities after it",
                "ExcludeRetainedVariantProperties": "leave it out: nothing is retained",
            },
            without_effect={
                "DeploymentConfig": "the new hosts take over at once, when all of them answer",
                "RetainDeploymentConfig": "there is no deployment configuration to retain",
            },
        ),
        "UpdateEndpointWeightsAndCapacities": Operation(_update_weights),
        "DescribeEndpoint": describe(Endpoint),
        "ListEndpoints": listing(
            Endpoint,
            "Endpoints",
            (
                *("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime"),
                "EndpointStatus",
            ),
            newest_first=True,
        ),
        "DeleteEndpoint": Operation(_delete),
        "InvokeEndpoint": Operation(
            _invoke,
            refused={
                "TargetModel": "make a model and an endpoint for each archive",
                "TargetContainerHostname": "make a model and an endpoint for each container",
                "InferenceComponentName": "call the endpoint itself",
                "EnableExplanations": "explain the model in a processing job",
                "SessionId": "leave it out: an endpoint keeps no session",
            },
            without_effect={"PrefixAwareId": "one host answers for all instances"},
        ),
    },
    kinds=(Endpoint,),
)
