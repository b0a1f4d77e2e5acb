"""Batch transform jobs: a model is asked for each record of an input, and then ended.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from workshop.emulator.containers import engine, images
from workshop.emulator.containers.disk import Disk
from workshop.emulator.service.sagemaker import compute, serving
from workshop.emulator.service.sagemaker.compute import Compute
from workshop.emulator.service.sagemaker.models import Model, resolved
from workshop.emulator.service.sagemaker.operation import Caller, Topic, describe, known, listing
from workshop.emulator.service.sagemaker.resource import Account
from workshop.emulator.service.sagemaker.transform_instance import Instance
from workshop.emulator.service.sagemaker.validation import rules
from workshop.emulator.service.sagemaker.validation import transform as transform_rules
from workshop.emulator.service.storage import transfer

#: Where an instance's disk has what goes to S3.
_OUTPUT = "output"
#: The members of a request that a container finds as variables too.
#: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
_VARIABLES = {
    "MaxPayloadInMB": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
    "BatchStrategy": "SAGEMAKER_BATCH_STRATEGY",
    "MaxConcurrentTransforms": "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
}
_STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}
#: https://github.com/aws/sagemaker-python-sdk/issues/4095
_NOT_LOCALLY = "local mode sends all of a record, and stores all of an answer"
#: https://github.com/aws/amazon-sagemaker-examples/issues/852
_NO_PING = (
    "AlgorithmError: Model container failed to respond to ping. Please ensure /ping endpoint is "
    "implemented and responds with an HTTP 200 status code"
)


class TransformJob(Compute):
    """A batch transform. Each instance has the model, and a share of the objects."""

    title, label = "transform job", "transform"
    resource_type, source_type = "transform-job", "SageMakerTransformJob"
    name_member, arn_member = "TransformJobName", "TransformJobArn"
    status_member = "TransformJobStatus"
    log_group = "/aws/sagemaker/TransformJobs"
    missing = "Could not find requested job with name: {name}"

    def __init__(self, account: Account, request: dict, caller: Caller) -> None:
        super().__init__(account, request, caller)
        self._model: dict = {}
        self._hostings: list[serving.Hosting] = []

    def start(self) -> None:
        # Its own copy: once it runs, the model may be deleted.
        model = known(self.account, Model, self.request["ModelName"])
        self._model = resolved(self.account, model)
        super().start()

    @classmethod
    def cluster(cls, request: dict) -> dict:
        return request["TransformResources"]

    @property
    def _input(self) -> dict:
        return self.request["TransformInput"]["DataSource"]["S3DataSource"]

    def inputs(self) -> dict[str, str | None]:
        return {"SageMaker.TransformInput": self._input["S3Uri"]}

    def outputs(self) -> dict[str, str | None]:
        return {"SageMaker.TransformOutput": self.request["TransformOutput"]["S3OutputPath"]}

    def parameters(self) -> dict[str, str]:
        return {"SageMaker.ModelName": self.request["ModelName"]}

    def places(self) -> Iterator[tuple[str, str]]:
        yield "read", self._input["S3Uri"]
        yield "write", self.request["TransformOutput"]["S3OutputPath"]

    def role(self) -> str:
        return self._model["ExecutionRoleArn"]

    def looked_up(self) -> dict:
        return {"Model": self._model}

    def last_facts(self, status: str) -> dict:
        return {"TransformEndTime": time.time()}

    def stream_name(self, host: str) -> str:
        """https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html

        ``host`` is that of the instance, and where the stream is not its container's, ``.`` and
        what it is: ``data-log``, or the name of a container in a pipeline.
        """
        host, _, part = host.partition(".")
        number = hashlib.sha256(f"{self.arn}/{host}".encode()).hexdigest()[:17]
        end = f"/{part}" if part else ""
        return f"i-{number}-{int(self.description['CreationTime'])}{end}"

    def tell(self) -> None:
        with self.changing:
            self.told.set()
            for hosting in self._hostings:  # it takes a while until a container has ended
                threading.Thread(target=hosting.close, daemon=True).start()

    # --- how it runs ----------------------------------------------------------------------

    def run(self) -> None:
        store, source = self.account.store, self._input
        found = transfer.objects(store, source["S3Uri"], source["S3DataType"])
        used = self.machines[: len(found)]
        if len(used) < len(self.machines):
            of = f"{len(used)} of the {len(self.machines)} instances"
            self.say(f"Note: the input has {len(used)} objects, so {of} have something to do.")
        for container in serving.containers(self._model).values():
            note = images.note(container["Image"])
            if note:
                self.say(note)
        disks = self.make_disks()
        with self.changing:
            self._hostings = [self._hosting(one.host, len(used)) for one in used]
            if self.told.is_set():
                self.tell()
        self.change(TransformStartTime=time.time())
        shares = [dict([*found.items()][number :: len(used)]) for number in range(len(used))]
        try:
            with ThreadPoolExecutor(len(used)) as pool:
                shared = pool.map(self._transform, range(len(used)), shares, disks)
                failures = [*itertools.chain(*shared)]
        finally:
            for hosting in self._hostings:
                hosting.close()
        if self.told.is_set():  # "doesn't store the job's output" (API_StopTransformJob)
            self.end("Stopped")
            return
        upload = self.new_upload()
        for disk in disks:
            uri = self.request["TransformOutput"]["S3OutputPath"]
            upload.folder(Disk(disk), f"/opt/ml/{_OUTPUT}", uri)
        if failures:
            self.end("Failed", failures[0])
        else:
            self.end_of(upload, disks, engine.Result(0))

    def _hosting(self, host: str, used: int) -> serving.Hosting:
        alone = len(serving.containers(self._model)) == 1
        given = {
            variable: str(_STRATEGIES.get(self.request[member], self.request[member]))
            for member, variable in _VARIABLES.items()
            if member in self.request
        }
        return serving.Hosting(
            self.account.store,
            self._model,
            self.name if used == 1 else f"{self.name}/{host}",
            lambda name, output: self.log(host if alone else f"{host}.{name}", output),
            self.settings
            | {"SAGEMAKER_BATCH": "true"}
            | given
            | self.request.get("Environment", {}),
            "transform",
        )

    def _transform(self, number: int, share: dict, disk: Path) -> list[str]:
        """Let an instance transform its share; return why that could not be done, if so."""
        log = self.stream(f"{self.machines[number].host}.data-log")

        def say(lines: list[str]) -> None:
            log.write(lines, time.time())
            self.account.news.tell()

        def open_object(place: tuple[str, str]) -> BinaryIO:
            return open(self.account.store.file(*place), "rb")

        hosting = self._hostings[number]
        instance = Instance(hosting, self.request, open_object, say, self.told)
        try:
            return instance.transform(share, disk / _OUTPUT)
        except serving.NotServed as error:
            text = str(error)
            if text.startswith(serving.NO_PING):
                return [_NO_PING + text.removeprefix(serving.NO_PING)]
            return [f"ClientError: {text}"]


TOPIC = Topic(
    "Batch transform jobs",
    {
        "CreateTransformJob": compute.create(
            TransformJob,
            rules=(
                transform_rules.data_type,
                transform_rules.payload,
                transform_rules.json_paths,
                rules.unique_tags,
                rules.unique_job(
                    "TransformJobName",
                    "transform-job",
                    "Job name must be unique within an AWS account and region, and a job with this "
                    "name already exists ({arn})",
                ),
                transform_rules.model_exists,
            ),
            refused={
                "DataCaptureConfig": "give JoinSource 'Input': the outputs hold the inputs then",
            },
            without_effect={
                "TransformOutput.KmsKeyId": compute.NOT_ENCRYPTED,
                "TransformResources.VolumeKmsKeyId": compute.NOT_ENCRYPTED,
                "TransformResources.TransformAmiVersion": "no instance is started from an image",
                "ExperimentConfig.RunName": compute.OF_THE_TRIAL,
            },
            without_effect_locally={
                "DataProcessing.InputFilter": _NOT_LOCALLY,
                "DataProcessing.OutputFilter": _NOT_LOCALLY,
                "DataProcessing.JoinSource": _NOT_LOCALLY,
                "TransformInput.CompressionType": "local mode sends the object as it is",
                "ModelClientConfig": "local mode asks once",
                "ExperimentConfig": compute.NO_TRIAL_COMPONENT,
            },
        ),
        "DescribeTransformJob": describe(TransformJob),
        "ListTransformJobs": listing(
            TransformJob,
            "TransformJobSummaries",
            (
                *("TransformJobName", "TransformJobArn", "TransformJobStatus"),
                *("CreationTime", "LastModifiedTime", "TransformEndTime", "FailureReason"),
            ),
            newest_first=True,
        ),
        "StopTransformJob": compute.stop(TransformJob),
    },
    kinds=(TransformJob,),
)
