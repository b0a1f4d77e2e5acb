# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 16 · An endpoint that answers at once
#
# Somebody draws a digit on a screen and wants to know at once what it is. A batch transform would
# start a machine first. For this there is an **endpoint**: a server that stands there all day, with
# the approved model in its memory, and answers in milliseconds.
#
# It also costs all day, whether somebody asks or not. A forgotten endpoint is the dearest mistake
# of beginners. So this notebook ends with its end.
#
# **The goal:** a digit that you have drawn, answered by the approved model. You know how fast it
# is, you have a second model beside it that gets a tenth of the requests, and in the end nothing is
# left.

# %% [markdown]
# ```mermaid
# flowchart LR
#     you(["a drawn digit"]) -- "InvokeEndpoint" --> endpoint
#     subgraph endpoint["endpoint lab4-digits"]
#         approved["variant approved<br>9 of 10 requests"]
#         challenger["variant challenger<br>1 of 10"]
#     end
#     endpoint -- "digit, probabilities" --> you
#     registry[("registry")] -.-> approved
#     registry -.-> challenger
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 16.1 to 16.5. It needs the approved version and the pipeline that
# section 14 leaves: `./lab run Lab4` makes both, if yours are not ready.

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
LOCAL = False

# %%
import logging

import workshop

workshop.connect()  # says where calls go: this machine, or your account
logging.getLogger("sagemaker").setLevel(logging.ERROR)  # INFO: everything the SDK does

import sagemaker
from sagemaker.local import LocalSession

if LOCAL:
    sagemaker_session = LocalSession()
    sagemaker_session.config = {"local": {"local_code": True}}
    instance_type = "local"
else:
    sagemaker_session = sagemaker.Session()
    instance_type = "ml.m5.large"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
print(f"bucket: {bucket}")

# %% [markdown]
# ## Three things make an endpoint
#
# | | what it is | what it costs |
# |---|---|---|
# | **model** | an image, a `model.tar.gz` and a role | nothing |
# | **endpoint configuration** | which models, on which machines, how many | nothing |
# | **endpoint** | the machines, running | **by the hour, until it is deleted** |
#
# `deploy` makes all three. It takes some minutes on AWS, and seconds here: a machine is started,
# the model loaded, and `/ping` asked until it says yes.
#
# Here it is again the newest approved version. (Local mode takes the newest package.)

# %%
from digits_pipeline import newest
from sagemaker import ModelPackage
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.tensorflow import TensorFlowModel
from sagemaker.utils import name_from_base

GROUP = "lab4-digits"
endpoint_name = name_from_base("lab4-digits")

if LOCAL:
    model = TensorFlowModel(
        newest(sagemaker_session, "/Package/model.tar.gz"),
        role=role,
        framework_version="2.19",
        sagemaker_session=sagemaker_session,
    )
else:
    client = sagemaker_session.sagemaker_client
    versions = client.list_model_packages(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
    )["ModelPackageSummaryList"]
    assert versions, f"No version of {GROUP} is approved: run 14-register first"
    model = ModelPackage(
        role=role,
        model_package_arn=versions[0]["ModelPackageArn"],
        sagemaker_session=sagemaker_session,
    )

# %%
# task 16.1 begin
model.deploy(
    initial_instance_count=1,
    instance_type=instance_type,
    endpoint_name=endpoint_name,
)
# task 16.1 end

# %% tags=["starter-only"]
workshop.check("16.1")

# %% [markdown]
# ## Draw a digit
#
# Not an image of the test set this time: one that nobody has seen. A line is a list of points, from
# 0 to 27, first right, then down. Change the points, draw your own.

# %%
import itertools

import matplotlib.pyplot as plt
import numpy as np

LINES = [[(8, 7), (19, 7), (12, 21)]]  # a seven: right, then down to the left


def drawn(lines, width=1.1):
    """An image of lines, (28, 28) float32 from 0 to 1; ink fades with the distance from a line."""
    rows, columns = np.mgrid[0:28, 0:28]
    image = np.zeros((28, 28), np.float32)
    for line in lines:
        for (x1, y1), (x2, y2) in itertools.pairwise(line):
            length = np.hypot(x2 - x1, y2 - y1)
            along = ((columns - x1) * (x2 - x1) + (rows - y1) * (y2 - y1)) / length**2
            along = np.clip(along, 0, 1)
            far = np.hypot(columns - x1 - along * (x2 - x1), rows - y1 - along * (y2 - y1))
            image = np.maximum(image, np.clip(1 + width - far, 0, 1))
    return image.astype(np.float32)


image = drawn(LINES)
plt.figure(figsize=(1.6, 1.6))
plt.imshow(image, cmap="gray_r", interpolation="nearest")
plt.axis("off")
plt.show()

# %% [markdown]
# ## Ask
#
# A `Predictor` sends a request and reads the answer. What goes over the wire is bytes, so it needs
# a *serializer* for the way there and a *deserializer* for the way back. The model takes and gives
# JSON: 28 rows of 28 numbers, as lists.

# %%
# task 16.2 begin
predictor = Predictor(
    endpoint_name,
    sagemaker_session=sagemaker_session,
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
)
answer = predictor.predict(image.tolist())
# task 16.2 end
print(f"it is a {answer['digit']}, with probability {max(answer['probabilities']):.3f}")

# %% tags=["starter-only"]
workshop.check("16.2")

# %%
plt.figure(figsize=(5, 1.6))
plt.bar(range(10), answer["probabilities"])
plt.xticks(range(10))
plt.title("probability of each digit")
plt.show()

# %% [markdown]
# And what if somebody sends rubbish? The answer is an error, and what `inference.py` said about it
# is in the log of the endpoint: in CloudWatch, `/aws/sagemaker/Endpoints/NAME`.

# %%
from botocore.exceptions import ClientError

try:
    print(predictor.predict({"text": "seven"}))
except (ClientError, ValueError) as error:
    print(f"{type(error).__name__}: {str(error)[:200]}")

# %% [markdown]
# ## How fast?
#
# One number is not enough. The mean hides the few who wait long, and those are the ones who
# complain. So we measure many requests, and look at the **p50**, which half of them do not exceed,
# and the **p99**, which one in a hundred does.

# %%
import time

# task 16.3 begin
milliseconds = []
for _ in range(200):
    start = time.perf_counter()
    predictor.predict(image.tolist())
    milliseconds.append(1000 * (time.perf_counter() - start))
p50, p99 = np.percentile(milliseconds, [50, 99])
# task 16.3 end
print(f"{len(milliseconds)} requests: p50 {p50:.2f} ms, p99 {p99:.2f} ms")

plt.figure(figsize=(6, 2))
plt.hist(milliseconds, bins=40)
plt.axvline(p50, color="black", ls=":", label=f"p50: {p50:.1f}")
plt.axvline(p99, color="crimson", ls=":", label=f"p99: {p99:.1f}")
plt.legend()
plt.xlabel("milliseconds")
plt.ylabel("requests")
plt.show()

# %% tags=["starter-only"]
workshop.check("16.3")

# %% [markdown]
# These are the milliseconds of this machine. On AWS the way there and back is added, from where you
# are, and the machine is another one. What stays is the form: most are fast, some are not. (In local
# mode, the SDK asks Docker something before each request, and that is most of the time.)

# %% [markdown]
# ## A second model beside it
#
# Somebody has trained a new version. Is it better? A test set says yes. The world may say no. So
# let it answer **one request in ten**, and compare. Such a model is a **variant** of the endpoint,
# and the weights say who gets how many requests.
#
# First we need a new version. The pipeline of section 14 makes one: we start it by its name, with
# fewer epochs, and with a lower bar, since it has learned less. The version is
# `PendingManualApproval`, and that is right: it is on trial.
#
# (Local mode has one model in one container. The rest of this part is for instances.)

# %%
from pictures import watch
from sagemaker.workflow.pipeline import Pipeline

challenger_arn = None
if not LOCAL:
    pipeline = Pipeline("lab4-digits-register", sagemaker_session=sagemaker_session)
    status = watch(pipeline, pipeline.start(parameters={"Epochs": 8, "AccuracyBar": 0.5}))
    assert status == "Succeeded", f"The pipeline {status}: run 14-register to its end first"
    challenger = client.list_model_packages(
        ModelPackageGroupName=GROUP, SortBy="CreationTime", SortOrder="Descending"
    )["ModelPackageSummaryList"][0]
    challenger_arn = challenger["ModelPackageArn"]
    print(f"version {challenger['ModelPackageVersion']}: {challenger['ModelApprovalStatus']}")

# %% [markdown]
# A variant names a *model*, not a version. So the new version gets one too. Then a new endpoint
# configuration has both, and the endpoint is told to use it. It goes on answering all the time: the
# new machines start beside the old ones, and take over when they are ready.

# %%
if not LOCAL:
    # `deploy` has made the first model and the first configuration.
    first_config = client.describe_endpoint(EndpointName=endpoint_name)["EndpointConfigName"]
    first = client.describe_endpoint_config(EndpointConfigName=first_config)
    approved_model = first["ProductionVariants"][0]["ModelName"]
    challenger_model = name_from_base("lab4-challenger")
    sagemaker_session.create_model(challenger_model, role, [{"ModelPackageName": challenger_arn}])

# %%
from sagemaker.session import production_variant

if not LOCAL:
    # task 16.4 begin
    variants = [
        production_variant(
            approved_model, instance_type, 1, variant_name="approved", initial_weight=9
        ),
        production_variant(
            challenger_model, instance_type, 1, variant_name="challenger", initial_weight=1
        ),
    ]
    # task 16.4 end
    second_config = name_from_base("lab4-two-variants")
    client.create_endpoint_config(EndpointConfigName=second_config, ProductionVariants=variants)
    client.update_endpoint(EndpointName=endpoint_name, EndpointConfigName=second_config)
    client.get_waiter("endpoint_in_service").wait(
        EndpointName=endpoint_name, WaiterConfig={"Delay": 2}
    )

# %% tags=["starter-only"]
workshop.check("16.4")

# %% [markdown]
# Who answers? The response says it. And with `TargetVariant` you can ask one of them.

# %%
import collections
import json

if not LOCAL:
    runtime = sagemaker_session.sagemaker_runtime_client
    request = {
        "EndpointName": endpoint_name,
        "ContentType": "application/json",
        "Body": json.dumps(image.tolist()),
    }
    answered = collections.Counter(
        runtime.invoke_endpoint(**request)["InvokedProductionVariant"] for _ in range(200)
    )
    for name, count in answered.most_common():
        response = runtime.invoke_endpoint(TargetVariant=name, **request)
        digit = json.loads(response["Body"].read())["digit"]
        print(f"{name:10} answered {count:3} of 200 requests, and reads a {digit}")

# %% [markdown]
# ## What it costs a day
#
# An endpoint is paid for each machine and each second, from the moment when the machine starts
# until it is deleted. No request, no discount.

# %%
from workshop import prices

machines = 1 if LOCAL else sum(one["InitialInstanceCount"] for one in variants)
per_day = machines * 24 * prices.per_hour("ml.m5.large")
print(f"{machines} x ml.m5.large: {per_day:.2f} US dollars a day, {30 * per_day:.0f} a month")

# %% tags=["key-figure"]
print(f"read a {answer['digit']}, half of the answers within {p50:.0f} ms")

# %% [markdown]
# ## The end
#
# First the endpoint, since it costs. Then the configurations and the models, which only fill the
# lists. `delete_endpoint` of a predictor deletes the configuration that the endpoint has *now*.
# There is one more: the one that `deploy` made. What else have we made?

# %%
if LOCAL:
    predictor.delete_endpoint()
else:
    # task 16.5 begin
    client.delete_endpoint(EndpointName=endpoint_name)
    for config in (first_config, second_config):
        client.delete_endpoint_config(EndpointConfigName=config)
    for name in (approved_model, challenger_model):
        client.delete_model(ModelName=name)
    # task 16.5 end
    left = client.list_endpoints(NameContains=endpoint_name)["Endpoints"]
    print(f"{len(left)} endpoints left")

# %% tags=["starter-only"]
workshop.check("16.5")

# %% [markdown]
# On your own account, `./lab clean --aws` finds what was forgotten, endpoints first. And
# `./lab doctor --aws` tells of each one that runs.
#
# ## To take away
#
# - An endpoint is for answers at once. It costs by the hour: delete it.
# - Measure the p99, not the mean.
# - A variant with a small weight tries a new model on real requests.
# - Rare requests? A *serverless* endpoint costs only for the time it works, and needs a moment to
#   wake up.
#
# Read more:
# [endpoints](https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html) ·
# [variants](https://docs.aws.amazon.com/sagemaker/latest/dg/model-ab-testing.html) ·
# [serverless](https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html)
#
# Next: [17-tuning.ipynb](17-tuning.ipynb).
