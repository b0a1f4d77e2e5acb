"""Right and wrong answers of section 16, in the form of `answers.py`."""

from __future__ import annotations

import statistics

import numpy as np
import urllib3

from .answers import both
from .lab4_endpoint import (
    ANSWER,
    CHALLENGER,
    DATA,
    IMAGE,
    MODEL,
    NAME,
    NOTEBOOK,
    OF_ANOTHER_IMAGE,
    OF_CHALLENGER,
    P50,
    P99,
    SECOND,
    TIMES,
    said,
    variant,
)

MEAN, MOST = statistics.mean(TIMES), max(TIMES)

# --- how an answer is made ------------------------------------------------------------------


def kernel(**variables):
    """The notebook is open, and its endpoint is there."""
    return lambda work: work.open(**variables)


def local(*machines, **variables):
    return lambda work: work.local(*machines, **variables)


def predicts(predict, **about):
    return lambda work: work.open(predictor=work.predictor(predict, **about))


def runs(name, **changed):
    """A variant that the endpoint runs is another one; None for a member that it has not."""

    def change(work):
        one = work.variant(name)
        one |= changed
        for member in [member for member, value in changed.items() if value is None]:
            del one[member]

    return change


def model(version, data=None):
    """The endpoint runs the model of another version."""
    archive = {"ModelDataUrl": data or DATA.format(version)}
    return runs("AllTraffic", Model={"PrimaryContainer": archive})


def version(number, **changed):
    """What differs of a version; times in seconds before the endpoint was made."""
    return lambda work: work.versions.update({number: {**work.versions[number], **changed}})


def renamed(name):
    return lambda work: work.jobs["endpoint"].update(name=name)


def began(number, seconds):
    """The cell of a task began so many seconds after the endpoint was made."""
    return lambda work: work.began(number, seconds)


def began_before_name(work):
    work.began_at("16.1", "2024-05-04T09:59:59Z")


def failed(place, reason):
    return lambda work: work.configuration(place).update(FailureReason=reason)


def stopped(number, error, value):
    return lambda work: work.stopped(NOTEBOOK, number, error, value)


def times(made, **more):
    """Other times in the kernel, with the percentiles that NumPy finds."""
    p50, p99 = np.percentile(np.ravel(made), [50, 99])
    return kernel(**{"milliseconds": made, "p50": p50, "p99": p99, **more})


def printed(count, p50, p99):
    return lambda work: work.print_times(count, p50, p99)


def weights(approved, challenger):
    return both(
        runs("approved", InitialVariantWeight=approved),
        runs("challenger", InitialVariantWeight=challenger),
    )


def second(*variants, place=1):
    """The second configuration has other variants; none where it was never made."""

    def change(work):
        if variants:
            work.configuration(place)["ProductionVariants"] = list(variants)
        else:
            del work.jobs["endpoint"]["configurations"][place]

    return change


def left(*names):
    return lambda work: work.there.update(names)


def older(work):
    """An endpoint of an hour ago, which nobody has deleted."""
    name = NAME.replace("-10-", "-09-")
    work.jobs = {"older": {**work.endpoint(name), "before": 3600}, **work.jobs}


def raises(error):
    def predict(image):
        raise error

    return predict


def reads_no_json(image):
    return b'{"digit": 7, "probabilities": [...]}'


def mistaken(predict=said):
    """A class of one's own, as `Predictor` of another SDK."""

    class Own:
        def predict(self, data):
            return predict(data)

    return Own()


GONE = urllib3.exceptions.MaxRetryError(None, "http://localhost:8080/invocations")
MODEL_ERROR = (
    "An error occurred (ModelError) when calling the InvokeEndpoint operation: Received server "
    'error (500) from primary with message "{"error": "application/x-npy"}".'
)

# --- wrong answers: (task, name of the mistake, how it is made) -------------------------------

WRONG = [
    ("16.1", "another name", renamed("2-2024-05-04-10-00-00-000")),
    ("16.1", "another name in the kernel", both(
        kernel(), renamed("lab4-digits-2024-05-04-10-00-01-000"))),
    ("16.1", "a name that deploy makes up", began_before_name),
    ("16.1", "two machines", runs("AllTraffic", InitialInstanceCount=2)),
    ("16.1", "another type", runs("AllTraffic", InstanceType="ml.m5.xlarge")),
    ("16.1", "serverless", runs("AllTraffic", InstanceType=None, InitialInstanceCount=None)),
    ("16.1", "an older version", model(1)),
    ("16.1", "a version on trial", both(model(3), version(3, created=100, changed=100))),
    ("16.1", "approved by deploy", both(
        model(3), version(3, status="Approved", reason=None, created=100, changed=1))),
    ("16.1", "a rejected version", both(model(2), version(2, status="Rejected"))),
    ("16.1", "another model", model(None, "s3://any/Training/output/model.tar.gz")),
    ("16.1", "nothing approved", both(*(
        version(number, status="PendingManualApproval") for number in (1, 2)))),
    ("16.1", "failed", failed(0, "The primary container for production variant AllTraffic did "
        "not pass the ping health check. Please check CloudWatch logs for this endpoint.")),
    ("16.1", "run since", began("16.1", 30)),
    ("16.1", "the name is taken", stopped("16.1", "ClientError", "An error occurred "
        "(ValidationException) when calling the CreateEndpoint operation: Cannot create already "
        f'existing endpoint "{NAME}".')),
    ("16.1", "two machines in local mode", local({
        **variant(MODEL, 2), "InstanceType": "local", "InitialInstanceCount": 2})),
    ("16.1", "no endpoint in local mode", local(endpoint_name="lab4-digits-other")),
    ("16.1", "local mode and closed", both(local(), lambda work: work.variables.clear())),

    ("16.2", "an array", stopped("16.2", "ModelError", MODEL_ERROR)),
    ("16.2", "a flat list", stopped("16.2", "ModelError", MODEL_ERROR.replace(
        "application/x-npy", "TypeError: 'float' object is not iterable"))),
    ("16.2", "bytes", kernel(answer=b'{"digit": 7, "probabilities": [0.1]}')),
    ("16.2", "a text", kernel(answer='{"digit": 7, "probabilities": [0.1]}')),
    ("16.2", "the digit alone", kernel(answer=7)),
    ("16.2", "the predictions", kernel(answer={"predictions": [ANSWER["probabilities"]]})),
    ("16.2", "another digit", kernel(answer={**ANSWER, "digit": 1})),
    ("16.2", "made up", kernel(answer={"digit": 7, "probabilities": [0.0] * 10})),
    ("16.2", "another image", kernel(answer=OF_ANOTHER_IMAGE)),
    ("16.2", "another endpoint", lambda work: work.open(predictor=work.predictor(
        endpoint_name="lab4-digits-2024-05-03-09-00-00-000"))),
    ("16.2", "no predictor", kernel(predictor=None)),
    ("16.2", "no serializer", predicts(raises(TypeError(
        "Incompatible types, body must be bytes: <class 'list'>")))),
    ("16.2", "no deserializer", predicts(reads_no_json)),
    ("16.2", "a predictor of another model", predicts(lambda image: OF_ANOTHER_IMAGE)),
    ("16.2", "before the endpoint was made", began("16.2", -30)),
    ("16.2", "not saved", lambda work: work.printed(NOTEBOOK, "it is a {answer", "")),
    ("16.2", "prints another thing", lambda work: work.printed(
        NOTEBOOK, "it is a {answer", "b'{'\n")),
    ("16.2", "bytes in local mode", local(answer=b"{}")),
    ("16.2", "no serializer in local mode", lambda work: work.local(
        predictor=work.predictor(raises(TypeError("body must be bytes"))))),

    ("16.3", "seconds", times([one / 1000 for one in TIMES])),
    ("16.3", "seconds and closed", printed(200, P50 / 1000, P99 / 1000)),
    ("16.3", "microseconds", times([1000 * one for one in TIMES])),
    ("16.3", "nanoseconds and closed", printed(200, 1e6 * P50, 1e6 * P99)),
    ("16.3", "percentiles exchanged", times(TIMES, p50=P99, p99=P50)),
    ("16.3", "exchanged and closed", printed(200, P99, P50)),
    ("16.3", "the mean", times(TIMES, p50=MEAN)),
    ("16.3", "the longest", times(TIMES, p99=MOST)),
    ("16.3", "parts of one", times(TIMES, **dict(zip(
        ("p50", "p99"), np.percentile(TIMES, [0.5, 0.99]), strict=True)))),
    ("16.3", "p95", times(TIMES, p99=np.percentile(TIMES, 95))),
    ("16.3", "20 requests", times(TIMES[:20])),
    ("16.3", "20 requests and closed", printed(20, P50, P99)),
    ("16.3", "one measurement repeated", times([TIMES[3]] * 200)),
    ("16.3", "times in a row", times(list(np.cumsum(TIMES)))),
    ("16.3", "start minus end", times([-one for one in TIMES])),
    ("16.3", "a list of texts", kernel(milliseconds=["3.1 ms"] * 200)),
    ("16.3", "a sum", kernel(milliseconds=sum(TIMES))),
    ("16.3", "no p99", kernel(p99=None)),
    ("16.3", "not saved", lambda work: work.printed(NOTEBOOK, "} requests: p50", "")),
    ("16.3", "prints another thing", lambda work: work.printed(
        NOTEBOOK, "} requests: p50", "fast\n")),
    ("16.3", "seconds in local mode", local(milliseconds=[one / 20 for one in TIMES])),

    ("16.4", "weights exchanged", weights(1, 9)),
    ("16.4", "equal weights", weights(1, 1)),
    ("16.4", "one in nine", weights(8, 1)),
    ("16.4", "nine tenths twice", weights(0.9, 0.9)),
    ("16.4", "ten to one", weights(10, 1)),
    ("16.4", "no weight at all", weights(0, 0)),
    ("16.4", "one model twice", runs("challenger", ModelName=MODEL)),
    ("16.4", "models exchanged", both(
        runs("approved", ModelName=CHALLENGER), runs("challenger", ModelName=MODEL))),
    ("16.4", "another model", runs("approved", ModelName="lab4-older")),
    ("16.4", "another challenger", both(kernel(), runs("challenger", ModelName="lab4-older"))),
    ("16.4", "two machines", runs("approved", InitialInstanceCount=2)),
    ("16.4", "another type", runs("challenger", InstanceType="ml.m5.xlarge")),
    ("16.4", "one variant", second(variant(CHALLENGER, 3, "challenger"))),
    ("16.4", "other names", second(
        variant(MODEL, 2, "one", 9), variant(CHALLENGER, 3, "two", 1))),
    ("16.4", "three variants", second(
        variant(MODEL, 2, "approved", 9), variant(CHALLENGER, 3, "challenger", 1),
        variant(CHALLENGER, 3, "third", 1))),
    ("16.4", "not updated", both(kernel(), second())),
    ("16.4", "while it is updated", both(
        kernel(), second(), lambda work: work.jobs["endpoint"].update(runs=True))),
    ("16.4", "failed", failed(1, "The primary container for production variant challenger did "
        "not pass the ping health check. Please check CloudWatch logs for this endpoint.")),
    ("16.4", "run since", began("16.4", 30)),
    ("16.4", "a variant twice", stopped("16.4", "ClientError", "An error occurred "
        "(ValidationException) when calling the CreateEndpointConfig operation: …")),
    ("16.4", "local mode", local()),

    ("16.5", "nothing deleted", left(NAME, SECOND, MODEL, CHALLENGER)),
    ("16.5", "the configurations and models alone", left(NAME)),
    ("16.5", "the endpoint alone", left(SECOND, MODEL, CHALLENGER)),
    ("16.5", "the configuration of now alone", lambda work: (
        work.there.add("first"), work.configuration(0).update(EndpointConfigName="first"))),
    ("16.5", "the second configuration left", left(SECOND)),
    ("16.5", "the challenger left", left(CHALLENGER)),
    ("16.5", "the approved model left", left(MODEL)),
    ("16.5", "an older endpoint left", both(older, left(NAME.replace("-10-", "-09-")))),
    ("16.5", "before the second one", second()),
    ("16.5", "local mode", local()),
]  # fmt: skip


# --- right answers that are not ours --------------------------------------------------------

RIGHT = [
    ("16.1", "in the kernel", kernel()),
    ("16.1", "in the kernel, at the end", both(kernel(), lambda work: work.there.clear())),
    ("16.1", "approved once more", version(2, changed=-30)),
    ("16.1", "a newer version approved since", version(3, status="Approved", changed=-100)),
    ("16.1", "rejected since", version(2, status="Rejected", changed=-100)),
    ("16.1", "a newer one on trial", version(3, created=100, changed=100)),
    ("16.1", "an update failed later", failed(1, "…")),
    ("16.1", "an endpoint of before", older),
    ("16.1", "the cell ran before it was made", began("16.1", -1)),
    ("16.1", "the cell makes the name", both(
        lambda work: work.replace_in_notebook(NOTEBOOK, (
            "model.deploy(", "endpoint_name = name_from_base('lab4-digits')\nmodel.deploy(")),
        began_before_name)),
    ("16.1", "local mode", local()),

    ("16.2", "in the kernel", kernel()),
    ("16.2", "at the end", both(kernel(answer=ANSWER), lambda work: work.there.clear())),
    ("16.2", "the predictor of deploy", predicts(said, serializer=None)),
    ("16.2", "boto3 in a class of one's own", kernel(predictor=mistaken())),
    ("16.2", "the challenger was asked", kernel(answer=OF_CHALLENGER)),
    ("16.2", "an image as a list", kernel(image=IMAGE.tolist())),
    ("16.2", "after the endpoint was made", began("16.2", 5)),
    ("16.2", "local mode", local()),
    ("16.2", "local mode at the end", lambda work: work.local(
        predictor=work.predictor(raises(GONE)))),
    ("16.2", "local mode and closed", both(local(), lambda work: work.variables.clear())),

    ("16.3", "in the kernel", kernel()),
    ("16.3", "500 requests, as an array", times(np.resize(TIMES, 500) + np.arange(500) / 1e5)),
    ("16.3", "statistics.quantiles", times(
        TIMES, p50=statistics.median(TIMES), p99=statistics.quantiles(TIMES, n=100)[98])),
    ("16.3", "out of the sorted list", times(
        TIMES, p50=sorted(TIMES)[100], p99=sorted(TIMES)[198])),
    ("16.3", "the nearest rank", times(TIMES, p50=sorted(TIMES)[99], p99=sorted(TIMES)[197])),
    ("16.3", "sorted", times(sorted(TIMES))),
    ("16.3", "whole microseconds", times([int(1000 * one) / 1000 for one in TIMES])),
    ("16.3", "300 requests and closed", printed(300, P50, P99)),
    ("16.3", "local mode", local(
        milliseconds=[50 * one for one in TIMES], p50=50 * P50, p99=50 * P99)),
    ("16.3", "local mode and closed", both(
        local(), printed(200, 50 * P50, 50 * P99), lambda work: work.variables.clear())),

    ("16.4", "in the kernel", kernel()),
    ("16.4", "parts of one", weights(0.9, 0.1)),
    ("16.4", "of a hundred", weights(90, 10)),
    ("16.4", "in another order", second(
        variant(CHALLENGER, 3, "challenger", 1), variant(MODEL, 2, "approved", 9))),
    ("16.4", "at the second attempt", lambda work: work.jobs["endpoint"]["configurations"].insert(
        1, {"EndpointConfigName": "slip", "ProductionVariants": [variant(MODEL, 2)]})),
    ("16.4", "the cell ran before it took over", began("16.4", 15)),

    ("16.5", "in the kernel", both(kernel(), lambda work: work.there.clear())),
    ("16.5", "an older endpoint, deleted too", older),
    ("16.5", "after a failed update", failed(1, "…")),
]  # fmt: skip
