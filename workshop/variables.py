"""The environment variables of the workshop: what each one says."""

from __future__ import annotations

from workshop.emulator import settings

VARIABLES = settings.VARIABLES | {
    # from a person
    "WORKSHOP_ROLE": "The ARN of the role to use in the learner's own account (--aws).",
    "WORKSHOP_BUCKET": "The bucket to use in the learner's own account (--aws).",
    # for a program that uses the learner's own account, beside these two
    "WORKSHOP_AWS": "1 where a program uses the learner's own account.",
    "WORKSHOP_ACCOUNT": "The number of that account.",
    "WORKSHOP_REGION": "The region that is used there.",
    # from whoever runs the tests
    "WORKSHOP_EXAMPLES": "How many examples Hypothesis makes for each test.",
    "WORKSHOP_MOMENTS": "At how many moments a job is killed, in each test of that.",
}
