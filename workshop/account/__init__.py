"""The workshop in a learner's own AWS account: `--aws`."""

#: The tag that everything made in an account carries.
TAG_KEY, TAG_VALUE = "workshop", "sagemaker-replatform"

#: Name of the stack with role and bucket (`infra/workshop.yaml`).
STACK = "sagemaker-workshop"

#: How the stack is made.
DEPLOY = (
    f"aws cloudformation deploy --template-file infra/workshop.yaml --stack-name {STACK} "
    f"--capabilities CAPABILITY_IAM --tags {TAG_KEY}={TAG_VALUE}"
)
