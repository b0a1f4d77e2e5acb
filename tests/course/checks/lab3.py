"""What a learner did in Lab 3: jobs of all kinds of processors, and what they left in S3."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from workshop.course.checks import live

from .conftest import ECR, Work, targz

CODE = "/opt/ml/processing"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
SPARK = "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1"
PYTORCH = f"{ECR}/pytorch-training:2.8-cpu-py312"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
OWN = "123456789012.dkr.ecr.us-east-1.amazonaws.com/torchvision:latest"
#: The jobs of each section.
JOBS = {
    "8": ("annotations",),
    "9": ("augmentation", "batch-0", "batch-3", "batch-6"),
    "10": ("scikit-learn", "scikit-learn-evaluation"),
    "11": ("spark", "pyspark"),
    "12": ("pytorch", "xgboost"),
}
BATCHES = {"0": range(3), "3": range(3, 6), "6": range(6, 7)}
#: The tasks of the Spark job: (host, executor, rows read, rows written, bytes written).
TASKS = [
    ("algo-1", "1", 0, 0, 0),
    ("algo-2", "0", 180, 147, 40_000),
    ("algo-1", "1", 180, 140, 39_000),
    ("algo-2", "0", 180, 33, 9_000),
]
ROWS = {"algo-1": 140, "algo-2": 180}
TRAINED = "ScikitLearn/Training/lab3-scikit-learn-training-1/output/model.tar.gz"


def event_log(tasks: list[tuple]) -> bytes:
    events: list[dict] = [{"Event": "SparkListenerLogStart", "Spark Version": "3.5.9"}]
    for host, executor, read, written, size in tasks:
        metrics = {
            "Input Metrics": {"Bytes Read": 1000 * read, "Records Read": read},
            "Output Metrics": {"Bytes Written": size, "Records Written": written},
        }
        task = {"Host": host, "Executor ID": executor}
        events += [
            {"Event": "SparkListenerTaskStart", "Task Info": task},
            {"Event": "SparkListenerTaskEnd", "Task Info": task, "Task Metrics": metrics},
        ]
    return "".join(f"{json.dumps(event)}\n" for event in events).encode()


def _npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.zeros((28, 28), np.uint8))
    return content.getvalue()


class Lab3Work(Work):
    """The jobs in the order of the sections; the notebooks' kernels run, as in Lab 2."""

    top, prefix = "Lab3/", "lab3-"
    without_jobs = ("8.2", "8.3", "9.1", "9.3", "10.2", "11.2", "12.2")

    def make(self) -> None:
        own = f"s3://{self.bucket}"
        self.jobs = {
            "annotations": self._job("cli_parse_annotation_files.py", SKLEARN, {
                f"{CODE}/input/images_dir": self.uri("Video/frames/"),
                f"{CODE}/input/annotations_dir": self.uri("Video/frames_annotations/"),
                f"{CODE}/code_dependencies": self.uri("Code/"),
            }, {"annotation.json": (f"{CODE}/output", self.uri("Annotations"))}),
            "augmentation": self._job("main.py", OWN, {f"{CODE}/input": self.uri("Dataset/train/")},
                {"output-1": (f"{CODE}/output", self.uri("Dataset/augmented"))}),
            **{f"batch-{batch}": self._batch(batch) for batch in BATCHES},
            "scikit-learn": self._job("preprocessing.py", SKLEARN,
                {f"{CODE}/input": self.uri("Digits/")}, {
                    "train_data": (f"{CODE}/train", f"{own}/lab3-scikit-learn-1/output/train_data"),
                    "test_data": (f"{CODE}/test", f"{own}/lab3-scikit-learn-1/output/test_data"),
                }, arguments=["--train-test-split-ratio", "0.2"]),
            "scikit-learn-evaluation": self._job("evaluation.py", SKLEARN, {
                f"{CODE}/model": self.uri(TRAINED),
                f"{CODE}/test": f"{own}/lab3-scikit-learn-1/output/test_data/",
            }, {"evaluation": (f"{CODE}/evaluation", self.uri("ScikitLearn/Evaluation"))}),
            "spark": self._job("preprocess.py", SPARK, {}, {}, arguments=[
                *("s3_input_bucket", self.bucket, "s3_input_key_prefix", "Lab3/Spark/Digits"),
                *("s3_output_bucket", self.bucket, "s3_output_key_prefix", "Lab3/Spark/Features"),
            ], command=["/opt/program/submit"], count=2, environment={"mode": "python"},
                seconds=1200),
            "pyspark": self._job("preprocess.py", SPARK, {}, {
                "output-1": (f"{CODE}/spark-events/", self.uri("Spark/Events/run-1"))},
                command=["smspark-submit"], count=2),
            "pytorch": self._job("preprocessing.py", PYTORCH,
                {f"{CODE}/input": self.uri("RawData/")}, {
                    "output-1": (f"{CODE}/output/train", self.uri("PyTorch/train")),
                    "output-2": (f"{CODE}/output/validation", self.uri("PyTorch/validation")),
                }, command=[]),
            "xgboost": self._job("evaluation.py", XGBOOST, {
                f"{CODE}/test": self.uri("XGBoost/dataset/test.csv"),
                f"{CODE}/model": self.uri("XGBoost/Training/run-1/output/model.tar.gz"),
            }, {"evaluation": (f"{CODE}/output", self.uri("XGBoost/Evaluation/lab3-xgboost-1"))},
                command=[], experiment={
                    "TrialName": "lab3-xgboost-1", "TrialComponentDisplayName": "lab3-xgboost-1"}),
        }  # fmt: skip
        frames = [f"frame_{n:03}" for n in range(3)]
        self.objects = {
            "": {
                **{f"Video/frames/{name}.png": b"png" for name in frames},
                **{f"Video/frames_annotations/{name}.xml": b"<xml/>" for name in frames},
                "Code/voc.py": b"def read(path): ...",
                **{f"Dataset/train/{one}": _npy() for one in self._images()},
                "Digits/digits.csv": b"label,pixel0\n",
                "Spark/Digits/part-0.csv": b"0,zero,0 0\n",
                "RawData/train-images-idx3-ubyte.gz": b"gz",
                "RawData/train-labels-idx1-ubyte.gz": b"gz",
                "XGBoost/dataset/test.csv": b"7,0.5\n",
                TRAINED: targz(**{"model.joblib": b"m"}),
                "XGBoost/Training/run-1/output/model.tar.gz": targz(**{"xgboost-model.json": b""}),
            },
            "annotations": {"Annotations/annotation.json": b"{}"},
            "augmentation": {f"Dataset/augmented/{one}": _npy() for one in self._images()},
            **{
                f"batch-{batch}": {f"Dataset/preprocessed/{batch}/{n}.npy": _npy() for n in numbers}
                for batch, numbers in BATCHES.items()
            },
            "scikit-learn": {
                f"../lab3-scikit-learn-1/output/{part}_data/{part}_{kind}.csv": b"1\n"
                for part in ("train", "test")
                for kind in ("features", "labels")
            },
            "scikit-learn-evaluation": {"ScikitLearn/Evaluation/evaluation.json": b"{}"},
            "spark": {"Spark/Features/train/part-00000.csv": b"1\n"},
            "pyspark": {"Spark/Events/run-1/app-1": event_log(TASKS)},
            "pytorch": {
                f"PyTorch/{part}/{name}.npy": _npy()
                for part in ("train", "validation")
                for name in ("features", "labels")
            },
            "xgboost": {"XGBoost/Evaluation/lab3-xgboost-1/evaluation.json": b"{}"},
        }
        self.variables: dict | None = {"LOCAL": False, "rows": ROWS}

    def print(self) -> None:
        """Nothing: the kernel tells it."""

    def _images(self) -> list[str]:
        return [f"{batch}/{n}.npy" for batch, numbers in BATCHES.items() for n in numbers]

    def _job(self, script, image, inputs, outputs, **more) -> dict:
        """Return a job; `command` is empty for a FrameworkProcessor's, outputs have names."""
        about = {"script": script, "image": image, "inputs": inputs, "outputs": outputs}
        usual = {"command": ["python3"], "arguments": [], "count": 1, "environment": {}}
        instance = {"instance": "ml.m5.xlarge", "seconds": None, "experiment": None}
        request = about | usual | instance | more
        return {"kind": "processing", "error": "", "request": request}

    def _batch(self, batch: str) -> dict:
        return self._job(
            "main.py",
            OWN,
            {f"{CODE}/input": self.uri("Dataset/train/")},
            {"output-1": (f"{CODE}/output", self.uri("Dataset/preprocessed"))},
            arguments=[
                f"--input-dir={self.uri(f'Dataset/train/{batch}/')}",
                f"--output-dir={self.uri(f'Dataset/preprocessed/{batch}/')}",
            ],
        )

    def connect(self, monkeypatch) -> None:
        monkeypatch.setattr(live, "variables", lambda notebook: self.variables or {})

    def path(self, script: str) -> Path:
        """Return the path of a script, whose folder is named too."""
        return self.folder / script

    def _jobs_for(self, number: str) -> list[tuple[str, dict]]:
        """Return the jobs of this section; those of others, with scripts of the same names, too."""
        section = number.partition(".")[0]
        others = {"10": JOBS["12"], "12": JOBS["10"]}
        names = (*others.get(section, ()), *JOBS[section])
        return [(name, self.jobs[name]) for name in names if name in self.jobs]

    def processing_request(self, name: str, about: dict) -> dict:
        """As the SDK sends it: of a ScriptProcessor, or of a FrameworkProcessor."""
        pairs = dict(about["outputs"].values())
        request = super().processing_request(name, about | {"outputs": pairs})
        for one, output in zip(
            request["ProcessingOutputConfig"]["Outputs"], about["outputs"], strict=True
        ):
            one["OutputName"] = output
        entrypoint = ["/bin/bash", f"{CODE}/input/entrypoint/runproc.sh"]
        if about["command"]:
            request["ProcessingInputs"][-2:] = [{
                "InputName": "code",
                "S3Input": {
                    "S3Uri": f"s3://{self.bucket}/{name}/input/code/{about['script']}",
                    "LocalPath": f"{CODE}/input/code",
                },
            }]  # fmt: skip
            entrypoint = [*about["command"], f"{CODE}/input/code/{about['script']}"]
        request["AppSpecification"] |= {"ContainerEntrypoint": entrypoint}
        if about["arguments"]:
            request["AppSpecification"]["ContainerArguments"] = about["arguments"]
        cluster = {"InstanceType": about["instance"], "InstanceCount": about["count"]}
        request["ProcessingResources"] = {"ClusterConfig": cluster | {"VolumeSizeInGB": 30}}
        request["Environment"] = about["environment"]
        if about["seconds"]:
            request["StoppingCondition"] = {"MaxRuntimeInSeconds": about["seconds"]}
        if about["experiment"]:
            request["ExperimentConfig"] = about["experiment"]
        return request
