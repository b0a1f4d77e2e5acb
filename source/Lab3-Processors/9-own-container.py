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
# # 9 · Your own container
#
# AWS's images have a lot in them, and one day not what you need: your company's library, another
# version, a program that is not Python. Then you bring an image of your own. To SageMaker one image
# is as good as another: it fetches it, mounts `/opt/ml/processing` and runs your command.
#
# Ours is for **augmentation**: each training image is turned, moved and disturbed a little, in
# another way each time. To the network these are new images, and it learns what makes a seven a
# seven.
#
# **The goal:** a whole set of images augmented by one job; then a job for each batch, while a
# network trains elsewhere. And an answer to the question of whether that is a good idea.

# %% [markdown]
# ```mermaid
# flowchart LR
#     ecr[("ECR: torchvision:latest<br>from container/Dockerfile")] -- "image_uri" --> job
#     train[("S3: …/train/<br>0/ · 16/ · 32/")] --> in
#     subgraph job["processing job on ml.t3.medium"]
#         in["/opt/ml/processing/<br>input/"] --> script["main.py<br>PyTorch"]
#         script --> out["/opt/ml/processing/<br>output/"]
#     end
#     out --> pre[("S3: …/preprocessed/<br>0/ · 16/ · 32/")]
#     pre --> gpu["training on a GPU"]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 9.1 to 9.3. It needs nothing of the other sections.

# %% [markdown]
# ## Settings

# %% tags=["parameters"]
LOCAL = False
RAW_DATA = "data/raw"

# %%
import logging

import workshop

workshop.connect()  # says where calls go: this machine, or your account
logging.getLogger("sagemaker").setLevel(logging.WARNING)  # INFO: everything the SDK does

import sagemaker
from sagemaker.local import LocalSession

if LOCAL:
    sagemaker_session = LocalSession()
    sagemaker_session.config = {"local": {"local_code": True}}
    instance_type = "local"
else:
    sagemaker_session = sagemaker.Session()
    instance_type = "ml.t3.medium"  # 2 processors, 4 GB: the smallest there is

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
region = sagemaker_session.boto_region_name
account = sagemaker_session.account_id()
print(f"bucket: {bucket}")

# %% [markdown]
# ## The image
#
# The recipe is `container/Dockerfile`. Without its comments it is short:

# %%
from pathlib import Path

lines = Path("container/Dockerfile").read_text().splitlines()
print("\n".join(line for line in lines if line and not line.startswith("#")))

# %% [markdown]
# There is no script in it, and no entry point. Both come with the job. So you build the image once,
# and change the script as often as you like.
#
# An instance cannot fetch an image from your computer. It has to be in **ECR**, the store of images
# in your account. `container/push.sh` puts it there. With `--dry-run` it only shows its commands:

# %%
import os
import subprocess

variables = {"AWS_REGION": region, "AWS_ACCOUNT_ID": account}
shown = subprocess.run(
    ["bash", "container/push.sh", "--dry-run"],
    env=os.environ | variables,
    capture_output=True,
    text=True,
    check=True,
)
print(shown.stdout)

# %% [markdown]
# Build, log in, make a repository, give the image its long name, push. In your own account, run it
# before you go on: `bash container/push.sh`. It needs Docker. The image is called `torchvision`,
# after PyTorch's library for pictures, but the name is free.
#
# **Here nothing is built or pushed.** This machine's own PyTorch plays the image. One line of the
# file `images.toml` in the folder of the workshop says so:
#
# ```toml
# torchvision = "pytorch"
# ```
#
# Left: the name of the repository, the last part of the address. Right: what plays it here. For an
# image of your own, add a line like this.
#
# You have a Docker engine? Then build the image, give it its long name (the first and the fourth
# command above), and start with `./lab start --docker`: now the jobs of local mode run in the real
# image.

# %%
image_uri = f"{account}.dkr.ecr.{region}.amazonaws.com/torchvision:latest"
print(image_uri)

# %% [markdown]
# ## The images
#
# 48 digits, each in a file of its own. The files are in folders of 16 each: these are the batches.
# A folder is named by the number of its first image. (Real batches are larger: 128 is usual.)

# %%
import gzip
import tempfile

import numpy as np

BATCH_SIZE = 16

with gzip.open(workshop.ROOT / RAW_DATA / "train-images-idx3-ubyte.gz") as file:
    digits = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:48]

# What an earlier run has left would be mixed with what this one makes.
objects = sagemaker_session.boto_session.resource("s3").Bucket(bucket).objects
objects.filter(Prefix="Lab3/Dataset/").delete()

input_paths = [f"{n - n % BATCH_SIZE}/digit-{n:03}.npy" for n in range(len(digits))]
with tempfile.TemporaryDirectory() as folder:
    for path, digit in zip(input_paths, digits, strict=True):
        (Path(folder) / path).parent.mkdir(exist_ok=True)
        np.save(Path(folder) / path, digit)
    dataset = f"s3://{bucket}/Lab3/Dataset"
    sagemaker_session.upload_data(folder, bucket, key_prefix="Lab3/Dataset/train")
print(f"{len(input_paths)} images below {dataset}/train/, the last one is {input_paths[-1]}")

# %% [markdown]
# ## The augmentation
#
# `script_augmentation/main.py` does it in pure PyTorch. Two functions move the pixels:
#
# 1. `affine_grid` takes for each image a small matrix (2 rows, 3 columns), and returns for each
#    pixel of the *new* image the place in the *old* one that it comes from. The first two columns
#    turn, the third one moves:
#
#    ```
#    cos(angle)  -sin(angle)  across
#    sin(angle)   cos(angle)  down
#    ```
#
#    The image goes from -1 to 1 both ways. So in an image of 28 pixels, one pixel is 2/28.
# 2. `grid_sample` looks at these places. Between two pixels it takes a mixture.
#
# Both want images with a channel: (n, 1, rows, columns). The rest is noise, and `clamp`, which
# keeps the values from 0 to 1.
#
# Noise is good for something else too: who tries to fool a network with a change that nobody sees
# (an *adversarial* image) finds it harder when each image is shaken before the network sees it.

# %% [markdown] tags=["starter-only"]
# **Task 9.1 is in this script**, in the function `augment`. Fill the gap, save the file and come
# back.

# %% tags=["starter-only"]
workshop.check("9.1")

# %% [markdown]
# ## One job for the whole set
#
# The processor and its run have no more in them than section 8's. Only the image is ours.

# %%
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor

script_processor = ScriptProcessor(
    command=["python3"],
    image_uri=image_uri,
    role=role,
    instance_count=1,
    instance_type=instance_type,  # small CPU machine
    base_job_name="lab3-augmentation",
    sagemaker_session=sagemaker_session,
)
script_processor.run(
    code="script_augmentation/main.py",
    inputs=[ProcessingInput(source=f"{dataset}/train/", destination="/opt/ml/processing/input")],
    outputs=[
        ProcessingOutput(source="/opt/ml/processing/output", destination=f"{dataset}/augmented")
    ],
)

# %% [markdown]
# Without arguments the script reads `/opt/ml/processing/input` and writes
# `/opt/ml/processing/output`. Before and after:

# %%
import io

import matplotlib.pyplot as plt
from sagemaker.s3 import S3Downloader


def load(name, path):
    """An image of the data set: name is the folder, as "augmented"."""
    content = S3Downloader.read_bytes(f"{dataset}/{name}/{path}", sagemaker_session)
    return np.load(io.BytesIO(content))


some = range(0, 48, 4)
augmented = {n: load("augmented", input_paths[n]) for n in some}
plt.figure(figsize=(8, 2))
rows = [np.hstack([digits[n] for n in some]), np.hstack([augmented[n] for n in some])]
plt.imshow(np.vstack(rows), cmap="gray_r", interpolation="nearest")
plt.yticks([14, 42], ["before", "after"])
plt.xticks([])
plt.tick_params(length=0)
plt.box(False)
plt.show()

# %% [markdown]
# Can you still read them all? That is the measure. A digit must not become another one: turn a 6
# far enough, and it is a 9. And no mirror: fine for cats, wrong for digits.

# %% [markdown]
# ## A job for each batch
#
# A network sees each image many times, and each time it should look different. So the images are
# augmented *during* the training, batch after batch. Where? In the usual way on the machine that
# trains, by its own processors. If they cannot keep up, the expensive GPU waits. Then that work may
# go to small machines beside it: a job for each batch, and the training reads what it leaves.
#
# All jobs use the same processor. Two arguments say which batch:
#
# ```
# --input-dir=s3://BUCKET/Lab3/Dataset/train/32/
# --output-dir=s3://BUCKET/Lab3/Dataset/preprocessed/32/
# ```
#
# **These are S3 addresses, and a script in a job sees folders.** SageMaker does not translate
# arguments: they are just text. So the script has to. It can, because SageMaker leaves the
# description of the job in the container: `/opt/ml/config/processingjobconfig.json` has each input
# and each output with its address and its folder. When `…/train/` goes to
# `/opt/ml/processing/input`, then `…/train/32/` is `/opt/ml/processing/input/32`. `folder_of` in
# the script does this.
#
# And an `--output-dir` that is below no output of the job? Nobody would copy it. Then the script
# copies the files to that address itself, and says so.

# %%
batch_processor = ScriptProcessor(
    command=["python3"],
    image_uri=image_uri,
    role=role,
    instance_count=1,
    instance_type=instance_type,
    base_job_name="lab3-augmentation-batch",
    sagemaker_session=sagemaker_session,
)
# task 9.2 begin
for index in range(0, len(input_paths), BATCH_SIZE):
    input_dir = f"{dataset}/train/{index}/"
    output_dir = f"{dataset}/preprocessed/{index}/"
    batch_processor.run(
        code="script_augmentation/main.py",
        inputs=[
            ProcessingInput(source=f"{dataset}/train/", destination="/opt/ml/processing/input")
        ],
        outputs=[
            ProcessingOutput(
                source="/opt/ml/processing/output", destination=f"{dataset}/preprocessed"
            )
        ],
        arguments=[f"--input-dir={input_dir}", f"--output-dir={output_dir}"],
    )
# task 9.2 end

# %% tags=["starter-only"]
# This looks at the jobs that you have just run.
workshop.check("9.2")

# %% [markdown]
# Is every image there? The random numbers depend on the names of the files and on `--seed`. So a
# batch comes out as it did with the whole set. In a training, each epoch has another `--seed`.

# %% tags=["nbval-check-output"]
uris = S3Downloader.list(f"{dataset}/preprocessed/", sagemaker_session)
names = sorted(uri.removeprefix(f"{dataset}/preprocessed/") for uri in uris)
assert names == sorted(input_paths), "images are missing, or are in another place"
same = [np.array_equal(augmented[n], load("preprocessed", input_paths[n])) for n in some]
print(f"{len(names)} images in {len({name.split('/')[0] for name in names})} folders")
print(f"{sum(same)} of {len(same)} are what the whole set's job made of them")

# %% [markdown]
# **What to look out for**
#
# - Each job fetched *all* of `train/`, to use one folder of it. With three batches nobody minds.
#   With a thousand, give it `source=input_dir`. The script does not care.
# - `run` waits until the job has ended. In a training, call it with `wait=False` for the batches
#   ahead, so that they are ready in time. (Local mode always waits.)

# %% tags=["key-figure"]
print(f"{len(names)} images augmented, by one job and by {len(batch_processor.jobs)}")

# %% [markdown]
# ## Does it pay?
#
# Let a GPU machine be busy with an epoch for an hour, if it has nothing else to do. Its own
# processors need 40 minutes for the augmentation of the epoch, and the GPU waits for them. A small
# machine has half as many processors, so it needs 80 minutes for the same work.
#
# A small machine costs a fifteenth. But each job has a price of its own: it is billed for the time
# in which it fetches the image and the data. Say 90 seconds. (The minutes until the instance is
# there are free.) So the number of jobs decides.
#
# | | seconds of the GPU machine | seconds of small machines |
# |---|---|---|
# | alone | `TRAIN + AUGMENT` | none |
# | beside, in `jobs` jobs | `TRAIN` | `AUGMENT_SMALL`, and `FETCH` for each job |

# %%
from workshop import prices

TRAIN = 60 * 60  # seconds for one epoch
AUGMENT = 40 * 60  # on the processors of the GPU machine
AUGMENT_SMALL = 80 * 60  # on a small machine
FETCH = 90  # for each job

gpu_hour = prices.per_hour("ml.g4dn.xlarge")
small_hour = prices.per_hour("ml.t3.medium")
print(f"an hour: {gpu_hour} US dollars with a GPU, {small_hour} without, in {prices.DATE}")

# task 9.3 begin
alone = (TRAIN + AUGMENT) / 3600 * gpu_hour


def beside(jobs):
    """What an epoch costs, in US dollars, when this many jobs do its augmentation."""
    small_seconds = AUGMENT_SMALL + jobs * FETCH
    return TRAIN / 3600 * gpu_hour + small_seconds / 3600 * small_hour


# task 9.3 end
print(f"an epoch: {alone:.2f} alone, {beside(1):.2f} with one job, {beside(1000):.2f} with 1,000")

# %% tags=["starter-only"]
workshop.check("9.3")

# %%
jobs = np.arange(1, 1001)
costs = np.array([beside(count) for count in jobs])
most = jobs[costs < alone].max(initial=0)

plt.figure(figsize=(7, 2.6))
plt.plot(jobs, costs, label="small machines beside")
plt.axhline(alone, color="black", linestyle="--", label="GPU machine alone")
plt.axvline(most, color="gray", linewidth=0.8)
plt.text(most + 12, alone - 0.03, f"{most} jobs", va="top")
plt.xlabel("jobs for an epoch")
plt.ylabel("US dollars")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()
print(f"up to {most} jobs for an epoch are cheaper")

# %% [markdown]
# So it pays with few large batches, and not with many small ones. 60,000 images in batches of 128
# are 469 jobs: dearer than the GPU that waits. In batches of 1,024 they are 59.
#
# Three more things belong to the answer:
#
# - **Time.** The epoch takes 60 minutes instead of 100 only if the batches are there in time. A job
#   has its minutes to start. So many have to run at once, ahead of the training, and your quota
#   for `ml.t3.medium` must allow it.
# - **The usual way is good.** PyTorch's `DataLoader(num_workers=…)` augments while the GPU works.
#   If the processors keep up, the GPU never waits, and small machines save nothing.
# - **One job for each epoch**, with all its images, saves as much without the trouble:
#   `beside(1)`. That is the first job of this notebook.

# %% [markdown]
# ## To take away
#
# - An image of your own needs no code of SageMaker's. Push it to ECR and give its address.
# - Arguments are text. If a script gets S3 addresses, it has to translate them itself.
# - Every job has a price of its own, in time and money: give it enough to do.
#
# Read more:
# [your own processing container](https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html)
# · [pushing an image](https://docs.aws.amazon.com/AmazonECR/latest/userguide/docker-push-ecr-image.html)
# · [affine_grid](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.affine_grid.html)
#
# Next: [10-scikit-learn.ipynb](10-scikit-learn.ipynb).
