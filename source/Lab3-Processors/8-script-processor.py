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
# # 8 · A script, an image, a machine
#
# Somebody filmed handwritten digits, and somebody else drew a box around each of them. Now there is
# one small XML file for each frame of the video. A network that finds things in pictures wants it
# otherwise: one JSON file for all frames, in the layout of the
# [COCO data set](https://cocodataset.org/#format-data).
#
# To turn the one into the other takes a script of fifty lines, and no TensorFlow. So we use the
# plainest processor of all, **`ScriptProcessor`**: any script, any image that has a Python.
#
# **The goal:** `annotation.json` in S3. And to know the rules of a processing job well enough that
# its refusals do not surprise you.
#
# You need no notebook for this, and no notebook instance, which costs money while you think. At the
# end there is the same job as a program for your IDE: `run_processing.py`.

# %% [markdown]
# ```mermaid
# flowchart LR
#     f[("S3: Lab3/Video/<br>frames/")] -- "images_dir" --> fd
#     a[("S3: Lab3/Video/<br>frames_annotations/")] -- "annotations_dir" --> ad
#     c[("S3: Lab3/Code/<br>voc.py")] -- "code_dependencies" --> cd
#     you["your script"] -- "code, by the SDK" --> code
#     subgraph job["processing job: /opt/ml/processing/…"]
#         fd["input/images_dir/"] --> script["cli_parse_<br>annotation_files.py"]
#         ad["input/annotations_dir/"] --> script
#         cd["code_dependencies/"] -- "import voc" --> script
#         code["input/code/"] -.-> script
#         script --> out["output/"]
#     end
#     out --> o[("S3: Lab3/Annotations/<br>annotation.json")]
# ```

# %% [markdown] tags=["starter-only"]
# The tasks of this section are 8.1 to 8.3. It needs nothing of the other labs.

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
    instance_type = "ml.m5.xlarge"

role = sagemaker.get_execution_role(sagemaker_session)
bucket = sagemaker_session.default_bucket()
region = sagemaker_session.boto_region_name
print(f"bucket: {bucket}")

# %% [markdown]
# ## Frames and boxes
#
# `make_frames.py` makes our video: 12 frames of 128 × 128 pixels with three to six of the real
# digits in each, and for each frame a **Pascal VOC** file, which says what is in it and where.

# %% tags=["nbval-check-output"]
import tempfile
from pathlib import Path

from make_frames import make_frames

folder = tempfile.TemporaryDirectory()  # as long as the notebook runs
video = Path(folder.name)
make_frames(workshop.ROOT / RAW_DATA, video)
print("\n".join((video / "frames_annotations/frame_000.xml").read_text().splitlines()[:17]))

# %% [markdown]
# The frames and the XML files go to S3. So does `voc.py`, a module that reads such a file. Our
# script will import it.

# %%
sagemaker_session.upload_data(str(video), bucket, key_prefix="Lab3/Video")
frames = f"s3://{bucket}/Lab3/Video/frames/"
annotations = f"s3://{bucket}/Lab3/Video/frames_annotations/"
code_dependencies = sagemaker_session.upload_data(
    "script_annotations/code_dependencies", bucket, key_prefix="Lab3/Code"
)
code_dependencies = f"{code_dependencies}/"
for uri in (frames, annotations, code_dependencies):
    print(uri)

# %% [markdown]
# **Mind the `/` at the end.** S3 has no folders: an input is *all objects whose names begin with*
# its address. Without the `/`, `…/Video/frames` is also the beginning of
# `…/Video/frames_annotations/frame_000.xml`. Then the XML files would come along with the images.

# %% [markdown]
# ## The processor
#
# The `command` starts the script. `-v` makes Python say where each module comes from: useful when
# an import does not find what you expect, and very talkative otherwise.
#
# Any image with a Python will do, your own too (section 9). We take that of scikit-learn: it is
# small.

# %%
from sagemaker import image_uris
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor

image_uri = image_uris.retrieve("sklearn", region, version="1.2-1")
script_processor = ScriptProcessor(
    command=["python3", "-v"],
    image_uri=image_uri,
    role=role,
    instance_type=instance_type,
    instance_count=1,
    base_job_name="lab3-annotations",
    sagemaker_session=sagemaker_session,
)
print(image_uri)

# %% [markdown]
# ## Three inputs, one output
#
# An input may be anything that the script needs, code too. Each has a folder of its own below
# `/opt/ml/processing/`:
#
# | input | the folder |
# |---|---|
# | `images_dir` | `/opt/ml/processing/input/images_dir` |
# | `annotations_dir` | `/opt/ml/processing/input/annotations_dir` |
# | `code_dependencies` | `/opt/ml/processing/code_dependencies` |
#
# Two arguments say how: `s3_data_type="S3Prefix"` takes all that begins with the address (the other
# way is a list of objects, a manifest), and `s3_input_mode="File"` copies everything before the
# script starts. Both are the defaults. We write them down once, so that you have seen them.
#
# The output `annotation.json` is the folder `/opt/ml/processing/output`. It goes to
# `Lab3/Annotations` in the bucket.

# %%
# task 8.1 begin
inputs = [
    ProcessingInput(
        input_name="images_dir",
        source=frames,
        destination="/opt/ml/processing/input/images_dir",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    ),
    ProcessingInput(
        input_name="annotations_dir",
        source=annotations,
        destination="/opt/ml/processing/input/annotations_dir",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    ),
    ProcessingInput(
        input_name="code_dependencies",
        source=code_dependencies,
        destination="/opt/ml/processing/code_dependencies",
        s3_data_type="S3Prefix",
        s3_input_mode="File",
    ),
]
outputs = [
    ProcessingOutput(
        output_name="annotation.json",
        source="/opt/ml/processing/output",
        destination=f"s3://{bucket}/Lab3/Annotations",
    )
]
# task 8.1 end
for arrow in inputs:
    print(f"{arrow.source.removeprefix(f's3://{bucket}/')} -> {arrow.destination}")
for arrow in outputs:
    print(f"{arrow.source} -> {arrow.destination.removeprefix(f's3://{bucket}/')}")

# %% [markdown]
# ## The script
#
# Only *one* file is uploaded for `code=`. If it imports a module of your own, that module has to
# come by another way. Ours comes as the input `code_dependencies`. But Python does not look into
# that folder by itself, so the script puts it on `sys.path`, the list of places where Python looks.
# This has to be **at the very beginning**: the next `import` already needs it.
#
# Then the boxes. Both layouts describe the same rectangle, and not in the same way:
#
# | | Pascal VOC | COCO |
# |---|---|---|
# | a box | `xmin`, `ymin`, `xmax`, `ymax` | `[x, y, width, height]` |
# | the first pixel of a row is number | 1 | 0 |
# | the last pixel | `xmax` is inside the box | `x + width` is the first one outside |
# | what it is | a name, as text | the id of a category |
# | which frame | one file for each | the id of an image |
#
# Being wrong by one pixel is the classic mistake here: nothing fails, and the network is a little
# worse for ever.

# %% [markdown] tags=["starter-only"]
# **Tasks 8.2 and 8.3 are in `script_annotations/cli_parse_annotation_files.py`.** Its docstrings
# say what is wanted. `code_dependencies/voc.py` says what a frame looks like. Fill both gaps, save
# the file and come back.

# %% tags=["starter-only"]
workshop.check("8.2")
workshop.check("8.3")

# %% [markdown]
# ## Run it
#
# The arguments are for the script. They are paths in the container, and they have to be the same
# as those of the inputs: nobody else tells the script where its data is.
#
# Because of `-v` the log is long. So we keep it aside, and look at the part that is of use.

# %%
import contextlib
import io

arguments = [
    "--images_dir",
    "/opt/ml/processing/input/images_dir",
    "--annotations_dir",
    "/opt/ml/processing/input/annotations_dir",
    "--annotation_out",
    "/opt/ml/processing/output/annotation.json",
]
log = io.StringIO()
with contextlib.redirect_stdout(log):
    script_processor.run(
        code="./script_annotations/cli_parse_annotation_files.py",
        inputs=inputs,
        outputs=outputs,
        arguments=arguments,
    )

# %% tags=["starter-only"]
# This looks at the job that you have just run.
workshop.check("8.1")

# %%
import re

lines = [re.sub(r"\x1b\[\d*m", "", line) for line in log.getvalue().splitlines()]
print(f"about {round(len(lines), -2):,} lines, and these are of use:")
for line in lines:
    if "code_dependencies/voc.py" in line or " boxes: " in line:
        print(line)

# %% [markdown]
# That is what `-v` is good for: `voc` was read from `code_dependencies`, and from nowhere else. The
# last line is our script's own.

# %% [markdown]
# ## How the command line is put together
#
# **command + code + arguments**. That is all. SageMaker gets the first two as the *entry point* of
# the container, the rest as its *arguments*, and each word stands alone: no shell is in between, so
# nothing has to be quoted, and `*` or `$HOME` mean nothing.

# %%
job = script_processor.latest_job.describe()
application = job["AppSpecification"]
print(" ".join(application["ContainerEntrypoint"]), "\\")
words = iter(application["ContainerArguments"])
print(" \\\n".join(f"    {name} {value}" for name, value in zip(words, words, strict=True)))

# %% [markdown]
# The script is at `/opt/ml/processing/input/code/`. How did it come there? The SDK uploaded the
# file that you named with `code=`, and added a fourth input for it:

# %%
for item in job["ProcessingInputs"]:
    uri = item["S3Input"]["S3Uri"].removeprefix(f"s3://{bucket}/")
    print(f"{uri} -> {item['S3Input']['LocalPath']}")

# %% [markdown]
# ## See the result
#
# A real reader is the best judge of a file: `pycocotools` is COCO's own. It knows nothing of us.

# %%
import json

from pycocotools.coco import COCO
from sagemaker.s3 import S3Downloader

with contextlib.redirect_stdout(None):  # it tells how long it took
    S3Downloader.download(
        f"s3://{bucket}/Lab3/Annotations/annotation.json",
        str(video),
        sagemaker_session=sagemaker_session,
    )
    coco = COCO(video / "annotation.json")
print(json.dumps(coco.loadAnns([1])[0]))

# %%
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

plt.figure(figsize=(8, 2.3))
for place, image in enumerate(coco.loadImgs(coco.getImgIds())[:4], start=1):
    axes = plt.subplot(1, 4, place)
    axes.imshow(plt.imread(video / "frames" / image["file_name"]), cmap="gray")
    for box in coco.loadAnns(coco.getAnnIds(image["id"])):
        x, y, width, height = box["bbox"]
        # The middle of pixel 0 is at 0, its left edge is at -0.5.
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, color="orange"))
        name = coco.loadCats(box["category_id"])[0]["name"]
        axes.text(x + width + 1, y + height / 2, name, color="orange", va="center")
    axes.set_title(image["file_name"], fontsize=9)
    axes.axis("off")
plt.tight_layout()
plt.show()

# %% [markdown]
# Does each box fit to the pixel? Then its four edges touch the digit, and nothing of a digit is
# outside all boxes.

# %% tags=["nbval-check-output"]
fits = 0
for image in coco.loadImgs(coco.getImgIds()):
    pixels = plt.imread(video / "frames" / image["file_name"]) > 0
    outside = pixels.copy()
    for box in coco.loadAnns(coco.getAnnIds(image["id"])):
        x, y, width, height = box["bbox"]
        inside = pixels[y : y + height, x : x + width]
        fits += all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        outside[y : y + height, x : x + width] = False
    assert not outside.any(), f"{image['file_name']}: a digit sticks out of its box"
print(f"{fits} of {len(coco.anns)} boxes fit to the pixel")

# %% tags=["key-figure"]
print(f"{len(coco.imgs)} frames, {len(coco.anns)} boxes, {len(coco.cats)} categories")

# %% [markdown]
# ## The rules, and what happens to those who break them
#
# Six rules have surprised many people. We break each one on purpose. The script does not matter
# here, so we take a small one: `voc.py` does nothing when it is started. Five of the six requests
# are refused at once. So they cost nothing.
#
# Local mode knows few rules: it just runs the job. Then the workshop says what AWS would say.

# %%
import textwrap

logging.getLogger("sagemaker").setLevel(logging.CRITICAL)  # we print the errors ourselves


def ask(code="./script_annotations/code_dependencies/voc.py", **request):
    """Ask for a job, and print the answer."""
    processor = ScriptProcessor(
        command=["python3"],
        image_uri=image_uri,
        role=role,
        instance_type=instance_type,
        instance_count=1,
        base_job_name="lab3-refused",
        sagemaker_session=sagemaker_session,
    )
    told, answer = io.StringIO(), "The job ran well."
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            processor.run(code=code, **request)
    except Exception as error:
        answer = f"{type(error).__name__}: {error}".partition(". Check troubleshooting")[0]
    if warnings := re.findall(r"AWS would refuse.*", told.getvalue()):  # in local mode
        answer = "\n".join(warnings)
    for line in answer.strip().splitlines():
        print(textwrap.fill(line, 96))


# %% [markdown]
# **1. `code=` is one file.** This is the SDK's own rule. (A whole folder: `FrameworkProcessor` with
# `source_dir`, as in Lab 1.)

# %%
ask(code="./script_annotations")

# %% [markdown]
# **2. An argument has at most 256 characters, and there are at most 100 of them.** What is longer,
# a list of files for example, belongs into a file, and the file into an input.

# %%
ask(arguments=["--only", ",".join(f"frame_{n:03}.png" for n in range(100))])

# %% [markdown]
# **3. `/opt/ml/processing/input/code` is taken.** The SDK puts your script there. It is tempting to
# put its modules beside it.

# %%
beside = ProcessingInput(
    input_name="beside",
    source=code_dependencies,
    destination="/opt/ml/processing/input/code",
)
ask(inputs=[beside])

# %% [markdown]
# **4. At most 10 inputs, and the SDK's own is one of them.** So 9 are left for you. (It is 8 with a
# `FrameworkProcessor`, which adds two.)

# %%
more = [
    ProcessingInput(
        input_name=f"more-{n}", source=code_dependencies, destination=f"/opt/ml/processing/more/{n}"
    )
    for n in range(10)
]
ask(inputs=more)

# %% [markdown]
# **5. All folders are below `/opt/ml/processing/`.** SageMaker looks at no other place of the
# container's disk.

# %%
elsewhere = ProcessingInput(
    input_name="elsewhere", source=code_dependencies, destination="/opt/ml/code_dependencies"
)
ask(inputs=[elsewhere])

# %% [markdown]
# **6. The name of the bucket has to contain `sagemaker`**, if the role is the usual one. Its
# policy, `AmazonSageMakerFullAccess`, allows objects of such buckets only. The safe way is a name
# that *begins* with it, as that of the default bucket.
#
# This one is not refused at once: what counts is what the *role* may do, and the role is used when
# the job reads its input. You can read the bucket yourself, and still your job cannot. To see it we
# make such a bucket for a moment. (In local mode nothing happens: there the job reads with your own
# rights.)

# %%
if LOCAL:
    print("Local mode asks no role.")
else:
    account = sagemaker_session.account_id()
    plain = sagemaker_session.boto_session.resource("s3").Bucket(f"frames-{region}-{account}")
    there = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        plain.create(**({} if region == "us-east-1" else there))
    except Exception as error:
        print(f"No such bucket could be made: {error}")
    else:
        sagemaker_session.upload_data(str(video / "frames"), plain.name, key_prefix="frames")
        ask(
            inputs=[
                ProcessingInput(
                    input_name="images_dir",
                    source=f"s3://{plain.name}/frames/",
                    destination="/opt/ml/processing/input/images_dir",
                )
            ]
        )
        plain.objects.delete()
        plain.delete()

# %% [markdown]
# If your data is in a bucket with another name, give the job a role of your own with a policy for
# that bucket. Do not rename the bucket.

# %% [markdown]
# ## The same without a notebook
#
# All of this needs Python and credentials, and no notebook. `run_processing.py` beside this
# notebook is the same job as a program. Read it in your IDE: most of it is what you have seen here.
# What is new is how it says who asks:
#
# ```python
# os.environ["AWS_PROFILE"] = args.profile
# sm_client = boto3.client("sagemaker", region_name=args.region)
# sm_session = sagemaker.Session(
#     boto_session=boto3.Session(region_name=args.region), sagemaker_client=sm_client
# )
# ```
#
# In a terminal (*File*, *New*, *Terminal*), in the folder of this lab:
#
# ```bash
# ./lab exec -- python run_processing.py
# ./lab exec --aws -- python run_processing.py --profile NAME --region us-east-2
# ```
#
# On your own computer there is no role for SageMaker to find. The workshop knows the one of its
# stack; elsewhere give its ARN with `--role`.

# %% [markdown]
# ## To take away
#
# - `ScriptProcessor` = command + one file + arguments, in any image.
# - Modules of your own come as an input, and `sys.path` is told at the very beginning.
# - End the address of a folder with `/`.
# - What AWS refuses at once costs a second. What fails in the job costs minutes: try it locally
#   first.
#
# Read more:
# [ScriptProcessor](https://docs.aws.amazon.com/sagemaker/latest/dg/processing-container-run-scripts.html)
# · [what a request may say](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html)
# · [AmazonSageMakerFullAccess](https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol.html)
#
# Next: [9-own-container.ipynb](9-own-container.ipynb).
