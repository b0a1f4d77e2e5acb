"""The page `docs/operations.md`, made of what the emulator plays."""

from __future__ import annotations

import re
from collections.abc import Callable

from workshop.emulator import settings
from workshop.emulator.service.sagemaker import operations
from workshop.emulator.service.sagemaker.operation import Members, Operation, reference
from workshop.emulator.service.sagemaker.validation import shapes

#: The tests that hold what the page says, by their file.
_TESTS = (
    ("service/sagemaker/test_operations", "test_every_other_operation_is_refused_by_name"),
    (
        "service/sagemaker/test_operations",
        "test_members_that_would_do_something_else_are_refused",
    ),
    (
        "service/sagemaker/test_operations",
        "test_a_member_without_effect_is_said_on_the_jobs_log_and_in_the_answer",
    ),
    (
        "service/sagemaker/test_operations",
        "test_what_the_sdk_sends_of_its_own_accord_is_not_said",
    ),
    ("service/sagemaker/test_operations", "test_it_is_said_on_the_learners_screen"),
    ("service/test_app", "test_a_service_that_is_not_played_is_refused_by_name"),
    ("service/test_journal", "test_what_a_learner_made_is_the_same_after_a_restart"),
)


def text() -> str:
    """Return the page in Markdown."""
    searched = [kind.title + "s" for kind in operations.KINDS if kind.search_name]
    services = ", ".join(title for _, title in operations.SERVICES.values())
    lines = [
        "# What is played, what is refused, what is said",
        "",
        f"<!-- Made from {operations.__name__}: ./lab build writes it. -->",
        "",
        "The emulator answers a request only when it does what the answer says. Everything else",
        "is refused, with the error `UnsupportedOperation` and what to do instead. A member of a",
        "request that is accepted and has no effect here is said once: on the job's log and on",
        "your screen.",
        "",
        "## Played: SageMaker",
        "",
    ]
    for topic in operations.TOPICS:
        listed = ", ".join(f"[{name}]({reference(name)})" for name in topic.operations)
        lines += [f"**{topic.title}**: {listed}", ""]
    lines += [
        f"`Search` finds {', '.join(searched[:-1])} and {searched[-1]}.",
        "`UpdateTrainingJob` sets how long a warm pool is kept.",
        "",
        "## Played: other services",
        "",
        f"{services}. They keep what they are told, over",
        "restarts too, but for the messages of SQS's queues. All other services of AWS are",
        "refused, and so are",
        f"{' and '.join(f'`{name}`' for name in operations.CONSTANT)} of STS.",
        "",
        "## Refused",
        "",
        "| what | instead |",
        "|---|---|",
        *(f"| {one.title} | {one.advice} |" for one in settings.instead()
          if _is_refused(one.pattern)),
        "| all other operations of SageMaker | use your own AWS account |",
        "",
        "These members of a request are refused too:",
        "",
        *_table("instead", lambda operation: operation.refused),
        "",
        "## Said",
        "",
        "Accepted, without an effect in the emulator and in local mode:",
        "",
        *_table("because", lambda operation: operation.without_effect),
        "",
        "In local mode also:",
        "",
        *_table("because", lambda operation: operation.without_effect_locally),
        "",
        "Tests:",
        *(f"[`{name}`](../tests/emulator/{file}.py)," for file, name in _TESTS[:-1]),
        *(f"[`{name}`](../tests/emulator/{file}.py)." for file, name in _TESTS[-1:]),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _is_refused(pattern: str) -> bool:
    """Tell whether any operation with such a name, or service, is still refused."""
    names = (*shapes.service_model().operation_names, "InvokeEndpoint", "lambda")
    return any(re.search(pattern, name) and name not in operations.PLAYED for name in names)


def _table(why: str, members_of: Callable[[Operation], Members]) -> list[str]:
    rows = [
        f"| `{name}` | `{path}` | {reason} |"
        for name, operation in operations.PLAYED.items()
        for path, reason in members_of(operation).items()
    ]
    return [f"| operation | member | {why} |", "|---|---|---|", *rows]
