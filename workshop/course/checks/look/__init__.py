"""What a check can look at, a module each; most functions take the `Look` of the section first.

jobs         the jobs that reached SageMaker: which one is meant, how it ended, its log
job_request  what was asked of a job
s3           what S3 holds, and which job wrote it
serving      versions in the model registry, and what a transform job was given and has answered
endpoints    the endpoints that a folder has made, and what they have run
pipelines    the executions of a pipeline, their steps, what its definition comes to
tuning       tuning jobs, and their trials
notebook     the cells of the notebook, and what they set
trials       what a script, or a cell, does with a tiny input: it runs in a sandbox
gaps         whether a gap is still as it was
source       Python source as a tree
phrases      lists, times and errors as a sentence can hold them
"""

from workshop.course.checks.look.lab import Look

__all__ = ["Look"]
