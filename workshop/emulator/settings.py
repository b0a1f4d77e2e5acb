"""The account that is emulated."""

from __future__ import annotations

ACCOUNT = "123456789012"
REGION = "us-east-1"
#: Name of the role that `sagemaker.get_execution_role()` finds.
ROLE = "AmazonSageMaker-ExecutionRole-Workshop"

#: Paths of the server that are no service's: for `client`, which has the token (`keys`).
STATUS, NEWS, INTERRUPT = "/_workshop/status", "/_workshop/news", "/_workshop/interrupt/"
