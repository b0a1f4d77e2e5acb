"""Tuning jobs as SageMaker tells of them, and their trials."""

from __future__ import annotations

from workshop.course.checks.look import notebook, pipelines
from workshop.course.checks.look.lab import Look
from workshop.course.checks.look.phrases import clock, last_line, listing
from workshop.course.checks.outcome import NotYet

_AGAIN = "run the cell with tuner.fit, then check again"


def newest(look: Look, base: str) -> dict:
    """Return the newest tuning job that this folder has started, as Describe… tells of it.

    base: what its name begins with
    """
    look.at("the tuning jobs in SageMaker")
    listed = pipelines.ask(
        "list_hyper_parameter_tuning_jobs",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=100,
    )["HyperParameterTuningJobSummaries"]
    names = [one["HyperParameterTuningJobName"] for one in listed]
    wanted = [name for name in names if name.startswith(base)]
    if not wanted:
        raise NotYet(
            f"no tuning job {base}…; there is {listing(names)}",
            f"a tuning job whose name begins with {base}: base_tuning_job_name",
            step="" if names else _AGAIN,
        )
    folders: set[str] = set()
    for name in wanted:
        others = pipelines.folders_of([name]) - {str(look.folder)}
        if not others:
            about = pipelines.ask(
                "describe_hyper_parameter_tuning_job", HyperParameterTuningJobName=name
            )
            look.at(f"the tuning job {name} of {clock(_started(about))}")
            look.saw_job(name)
            return about
        folders |= others
    raise NotYet(
        f"no tuning job {base}… that this folder started; others are from {listing(folders)}",
        "a tuning job to look at",
        step=_AGAIN,
    )


def trials(about: dict) -> list[dict]:
    """Return the training jobs of a tuning job, as ListTrainingJobsFor… has them."""
    return pipelines.ask(
        "list_training_jobs_for_hyper_parameter_tuning_job",
        HyperParameterTuningJobName=about["HyperParameterTuningJobName"],
        MaxResults=100,
    )["TrainingJobSummaries"]


def _started(about: dict) -> float:
    return about["CreationTime"].timestamp()


def ended_well(about: dict) -> None:
    """Make sure that a tuning job has ended, and neither failed nor was stopped."""
    status = about["HyperParameterTuningJobStatus"]
    if status in ("InProgress", "Stopping"):
        raise NotYet(
            "it has not ended",
            "a tuning job that has completed",
            step="check again when it has ended",
        )
    if status != "Completed":
        reason = last_line(about.get("FailureReason", ""))[:300]
        raise NotYet(
            f"it is {status}: {reason}" if reason else f"it is {status}",
            "a tuning job that has completed",
            step="mend that, run the cell with tuner.fit again, then check again",
        )


def stands(look: Look, about: dict) -> None:
    """Make sure that a tuning job has ended well, and that the cell of the task has not run since.

    The cell starts the tuning job itself.
    """
    ended_well(about)
    if max((cell.began or 0 for cell in notebook.of_task(look)), default=0) > _started(about):
        raise NotYet(
            f"this tuning job is of {clock(_started(about))}, and the cell ran since, and started "
            "no other of such a name",
            "a tuning job with the cell as it is now",
            step=_AGAIN,
        )
