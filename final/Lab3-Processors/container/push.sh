#!/usr/bin/env bash
# Builds the image, and puts it into Amazon ECR, the store of images in your account.
#
#   export AWS_REGION=us-east-1 AWS_ACCOUNT_ID=123456789012
#   container/push.sh --dry-run    # shows the commands, and does nothing
#   container/push.sh              # needs Docker, the AWS CLI and credentials
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case "${1:-}" in
    "") dry_run="" ;;
    --dry-run) dry_run=yes ;;
    *) echo "usage: push.sh [--dry-run]" >&2; exit 2 ;;
esac
: "${AWS_REGION:?export it first, for example: export AWS_REGION=us-east-1}"
: "${AWS_ACCOUNT_ID:?export it first: aws sts get-caller-identity tells it}"

export IMAGE_NAME="torchvision"
registry="$AWS_ACCOUNT_ID.dkr.ecr.$AWS_REGION.amazonaws.com"

run() { # COMMAND...: show a command, and run it
    echo "+ $*"
    if [ -z "$dry_run" ]; then "$@"; fi
}

# Instances have Intel or AMD processors, also when your own computer has not. And SageMaker wants a
# plain image, without the attestations that Docker adds by itself.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
run docker build --platform linux/amd64 -t "$IMAGE_NAME" .

# Docker may push to your registry for the next 12 hours.
echo "+ aws ecr get-login-password --region $AWS_REGION |" \
    "docker login --username AWS --password-stdin $registry"
if [ -z "$dry_run" ]; then
    aws ecr get-login-password --region "$AWS_REGION" |
        docker login --username AWS --password-stdin "$registry"
fi

# A repository holds all versions of one image. The tag is for ./lab clean --aws.
if [ -n "$dry_run" ] || ! aws ecr describe-repositories --region "$AWS_REGION" \
    --repository-names "$IMAGE_NAME" >/dev/null 2>&1; then
    run aws ecr create-repository --region "$AWS_REGION" --repository-name "$IMAGE_NAME" \
        --tags Key=workshop,Value=sagemaker-replatform
fi

run docker tag "$IMAGE_NAME:latest" "$registry/$IMAGE_NAME:latest"
run docker push "$registry/$IMAGE_NAME:latest"
echo "image_uri: $registry/$IMAGE_NAME:latest"
