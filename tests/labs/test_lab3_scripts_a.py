"""Sections 8 and 9: boxes that fit to the pixel, augmentation, and an image that gets to ECR."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workshop
from workshop.emulator.client import connection

LAB = workshop.ROOT / "source" / "Lab3-Processors"
ANNOTATIONS = LAB / "script_annotations" / "cli_parse_annotation_files.py"
DEPENDENCIES = LAB / "script_annotations" / "code_dependencies"
AUGMENTATION = LAB / "script_augmentation" / "main.py"
PUSH = LAB / "container" / "push.sh"


def load_script(path):
    spec = importlib.util.spec_from_file_location(f"lab3_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------ section 8


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    load_script(LAB / "make_frames.py").make_frames(workshop.ROOT / "data/raw", folder)
    return folder


def annotate(images, annotations, out):
    """Run the script as a job would; what it imports is found by other means than in a job."""
    arguments = ["--images_dir", images, "--annotations_dir", annotations, "--annotation_out", out]
    return subprocess.run(
        [sys.executable, ANNOTATIONS, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(DEPENDENCIES), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def annotation(video, tmp_path_factory):
    out = tmp_path_factory.mktemp("output") / "new" / "annotation.json"
    done = annotate(video / "frames", video / "frames_annotations", out)
    assert done.returncode == 0, done.stderr
    return out


def test_frames_are_the_same_each_time(video, tmp_path):
    load_script(LAB / "make_frames.py").make_frames(workshop.ROOT / "data/raw", tmp_path)
    names = [path.relative_to(video) for path in sorted(video.rglob("*.*"))]
    assert len(names) == 24
    assert all((video / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_the_boxes_fit_to_the_pixel(video, annotation):
    coco = json.loads(annotation.read_text())
    assert len(coco["images"]) == 12
    for image in coco["images"]:
        frame = np.array(Image.open(video / "frames" / image["file_name"])) > 0
        assert frame.shape == (image["height"], image["width"]) == (128, 128)
        boxes = [box for box in coco["annotations"] if box["image_id"] == image["id"]]
        assert 3 <= len(boxes) <= 6
        for box in boxes:
            x, y, width, height = box["bbox"]
            inside = frame[y : y + height, x : x + width]
            assert inside.shape == (height, width)
            edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
            assert all(edge.any() for edge in edges)
            assert (box["area"], box["iscrowd"]) == (width * height, 0)
            frame[y : y + height, x : x + width] = False
        assert not frame.any()  # nothing of a digit is outside the boxes


def test_the_names_are_those_of_the_voc_files(video, annotation):
    coco = json.loads(annotation.read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert list(names) == list(range(1, len(names) + 1))
    assert list(names.values()) == sorted(set(names.values()))
    for image in coco["images"]:
        xml = (video / "frames_annotations" / image["file_name"]).with_suffix(".xml").read_text()
        boxes = [box for box in coco["annotations"] if box["image_id"] == image["id"]]
        wanted = re.findall(r"<name>(.+)</name>", xml)
        assert [names[box["category_id"]] for box in boxes] == wanted


@pytest.mark.lab3
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools and numpy
def test_a_coco_reader_takes_it(annotation):
    from pycocotools.coco import COCO

    coco = COCO(str(annotation))
    ids = coco.getAnnIds(imgIds=[3])
    assert ids and {box["image_id"] for box in coco.loadAnns(ids)} == {3}
    assert coco.annToMask(coco.loadAnns(ids)[0] | {"segmentation": [[1, 1, 9, 1, 9, 9]]}).any()


def test_a_box_of_one_pixel(tmp_path):
    frame = {"filename": "a.png", "width": 9, "height": 9}
    box = {"name": "7", "xmin": 1, "ymin": 9, "xmax": 1, "ymax": 9}
    code = (
        "import json, cli_parse_annotation_files as script\n"
        f"print(json.dumps(script.to_coco([{ {**frame, 'objects': [box]} }])))"
    )
    path = f"{ANNOTATIONS.parent}{os.pathsep}{DEPENDENCIES}"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout)["annotations"][0]["bbox"] == [0, 8, 1, 1]


def test_what_is_missing_is_said(video, tmp_path):
    done = annotate(video / "frames", tmp_path, tmp_path / "out.json")
    assert done.returncode and f"There is no .xml file in {tmp_path}." in done.stderr
    done = annotate(tmp_path, video / "frames_annotations", tmp_path / "out.json")
    assert done.returncode and "frame_000.png, which is not there." in done.stderr


def test_the_path_is_told_at_the_very_beginning():
    code = re.sub(r'(?s)^""".*?"""|^#.*?$', "", ANNOTATIONS.read_text(), flags=re.M).split("\n")
    first, second = [line for line in code if line][:2]
    assert first == "import sys"
    assert second == 'sys.path.insert(0, "/opt/ml/processing/code_dependencies")'


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--profile", "my-profile", "--region", "us-east-2"]])
def test_the_job_as_a_program(options, tmp_path):
    done = subprocess.run(
        [sys.executable, LAB / "run_processing.py", *options],
        env={**connection.environment(), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,  # an IDE starts it anywhere
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    region = options[-1] if options else "us-east-1"
    bucket = f"sagemaker-{region}-123456789012"
    assert f"s3://{bucket}/Lab3/Annotations/annotation.json" in done.stdout


# ------------------------------------------------------------------------------------ section 9


@pytest.fixture(scope="module")
def main():
    return load_script(AUGMENTATION)


def generator(seed):
    import torch

    return torch.Generator().manual_seed(seed)


@pytest.mark.lab3
@pytest.mark.slow
def test_each_image_is_changed_a_little(main):
    import torch

    images = torch.zeros(64, 28, 28)
    images[:, 8:20, 12:16] = 1
    new = main.augment(images, generator(0))
    assert (new.shape, new.dtype) == (images.shape, torch.float32)
    assert new.min() == 0 and new.max() <= 1
    assert len({image.numpy().tobytes() for image in new}) == 64
    rows = torch.arange(28.0)
    thick = new * (new > 0.3)  # without the noise
    for axis in (1, 2):
        middle = (thick.sum(axis) * rows).sum(1) / thick.sum((1, 2))
        before = (images.sum(axis) * rows).sum(1) / images.sum((1, 2))
        assert 0.5 < (middle - before).abs().max() < 2.5  # pixels
    assert not torch.equal(new.flip(2), new)
    again = main.augment(images, generator(0))
    assert torch.equal(new, again)
    assert not torch.equal(new, main.augment(images, generator(1)))


def save_images(folder, count=12, batch=5):
    rng = np.random.default_rng(0)
    for n in range(count):
        path = folder / str(n - n % batch) / f"digit-{n}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.integers(0, 256, (28, 28), dtype=np.uint8))


def read_images(folder):
    return {path.name: np.load(path).tobytes() for path in folder.rglob("*.npy")}


@pytest.mark.lab3
@pytest.mark.slow
def test_a_batch_becomes_the_same_as_with_the_whole_set(main, tmp_path):
    save_images(tmp_path / "in")
    done = main.augment_folder(tmp_path / "in", tmp_path / "whole", seed=0)
    assert sorted(done) == sorted((tmp_path / "whole").rglob("*.npy"))
    for batch in ("0", "5", "10"):
        main.augment_folder(tmp_path / "in" / batch, tmp_path / "batches" / batch, seed=0)
    whole = read_images(tmp_path / "whole")
    assert len(whole) == 12 and whole == read_images(tmp_path / "batches")
    main.augment_folder(tmp_path / "in", tmp_path / "next", seed=1)
    assert not set(whole.values()) & set(read_images(tmp_path / "next").values())
    one = np.load(done[0])
    assert (one.shape, one.dtype) == ((28, 28), np.uint8)


@pytest.mark.lab3
@pytest.mark.slow
def test_no_images_is_an_error(main, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.npy file"):
        main.augment_folder(tmp_path, tmp_path / "out", seed=0)


@pytest.mark.lab3
@pytest.mark.slow
def test_an_s3_address_is_the_folder_that_sagemaker_copies(main):
    known = [("s3://b/data/train", "/in"), ("s3://b/other", "/other")]
    for place, folder in {
        "/a/folder": "/a/folder",
        "s3://b/data/train": "/in",
        "s3://b/data/train/": "/in",
        "s3://b/data/train/128/": "/in/128",
        "s3://b/other/x/y": "/other/x/y",
    }.items():
        assert main.folder_of(place, known) == Path(folder)
    for place in ("s3://b/data/training/", "s3://b/data", "s3://c/data/train/0"):
        assert main.folder_of(place, known) is None


@pytest.mark.lab3
@pytest.mark.slow
@pytest.mark.parametrize("mapped", [True, False])
def test_the_output_is_where_the_argument_says(main, tmp_path, monkeypatch, mapped, capsys):
    save_images(tmp_path / "in")
    target = "s3://data/preprocessed" if mapped else "s3://elsewhere/output-1"
    config = {
        "ProcessingInputs": [
            {"S3Input": {"S3Uri": "s3://data/train/", "LocalPath": str(tmp_path / "in")}},
        ],
        "ProcessingOutputConfig": {
            "Outputs": [{"S3Output": {"S3Uri": target, "LocalPath": str(tmp_path / "out")}}]
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(main, "JOB_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setattr(main, "OUTPUT", str(tmp_path / "out"))
    copied = []

    class S3:
        def upload_file(self, path, bucket, key):
            copied.append((Path(path).name, f"s3://{bucket}/{key}"))

    monkeypatch.setattr("boto3.client", lambda name: S3())
    arguments = ["--input-dir=s3://data/train/5/", "--output-dir=s3://data/preprocessed/5/"]
    monkeypatch.setattr(sys, "argv", ["main.py", *arguments])
    main.main()
    names = [f"digit-{n}.npy" for n in range(5, 10)]
    folder = tmp_path / "out" / ("5" if mapped else "")
    assert sorted(path.name for path in folder.glob("*.npy")) == names
    wanted = [] if mapped else [(name, f"s3://data/preprocessed/5/{name}") for name in names]
    assert copied == wanted

    monkeypatch.setattr(sys, "argv", ["main.py", "--input-dir=s3://data/test/"])
    with pytest.raises(SystemExit):
        main.main()
    assert "s3://data/test/ is in no input of this job" in capsys.readouterr().err


# -------------------------------------------------------------------------- the image of section 9


@pytest.fixture
def push(tmp_path):
    """Run push.sh with a docker and an aws that only tell what they were asked for."""
    told = tmp_path / "told"
    told.touch()
    for name in ("docker", "aws"):
        program = tmp_path / name
        program.write_text(
            "#!/bin/bash\n"
            f'if [ "{name} $2" = "aws get-login-password" ]; then echo secret; fi\n'
            f'if [ "{name} $1" = "docker login" ]; then read -r word; else word=; fi\n'
            f'echo "{name} $*${{word:+ <$word}}" >> "{told}"\n'
            'if [ "$2" = "describe-repositories" ] && [ -n "$NO_REPOSITORY" ]; then exit 254; fi\n'
        )
        program.chmod(0o755)

    def run(*arguments, **variables):
        usual = {"AWS_REGION": "eu-west-1", "AWS_ACCOUNT_ID": "123456789012"}
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", PUSH, *arguments],
            env={"PATH": path, **usual, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, told.read_text().splitlines()

    return run


REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def test_push_builds_logs_in_and_pushes(push):
    done, told = push(NO_REPOSITORY="1")
    assert done.returncode == 0, done.stderr
    login = [line for line in told if "log" in line]  # the two ends of a pipe
    assert sorted(login) == [
        "aws ecr get-login-password --region eu-west-1",
        f"docker login --username AWS --password-stdin {REGISTRY} <secret",
    ]
    assert [line for line in told if line not in login] == [
        "docker build --platform linux/amd64 -t torchvision .",
        "aws ecr describe-repositories --region eu-west-1 --repository-names torchvision",
        "aws ecr create-repository --region eu-west-1 --repository-name torchvision"
        " --tags Key=workshop,Value=sagemaker-replatform",
        f"docker tag torchvision:latest {REGISTRY}/torchvision:latest",
        f"docker push {REGISTRY}/torchvision:latest",
    ]
    assert done.stdout.endswith(f"image_uri: {REGISTRY}/torchvision:latest\n")


def test_push_makes_a_repository_only_once(push):
    done, told = push()
    assert done.returncode == 0
    assert not [line for line in told if "create-repository" in line]
    assert told[-1].startswith("docker push")


def test_push_shows_its_commands_and_does_nothing(push):
    done, told = push("--dry-run")
    assert (done.returncode, told) == (0, [])
    shown = [line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("+ ")]
    assert [" ".join(words) for words in shown] == [
        "docker build",
        "aws ecr",
        "aws ecr",
        "docker tag",
        "docker push",
    ]
    _, really = push(NO_REPOSITORY="1")
    printed = " ".join(done.stdout.replace(" |", "").split())
    for line in really:
        if "describe" not in line:
            assert line.removesuffix(" <secret") in printed


def test_push_stops_at_the_first_thing_that_fails(push, tmp_path):
    (tmp_path / "docker").write_text("#!/bin/bash\nexit 1\n")
    done, told = push()
    assert (done.returncode, told) == (1, [])


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_ACCOUNT_ID"])
def test_push_asks_for_region_and_account(push, name):
    done, told = push("--dry-run", **{name: ""})
    assert done.returncode and not told
    assert f"{name}: export it first" in done.stderr


def test_push_does_not_guess_what_another_option_means(push):
    done, told = push("--dryrun")
    assert (done.returncode, told) == (2, [])
    assert "usage: push.sh [--dry-run]" in done.stderr


def test_the_image_has_the_versions_that_play_it_here():
    image = (LAB / "container" / "Dockerfile").read_text()
    pinned = "".join(
        (workshop.ROOT / name).read_text() for name in ("requirements.txt", "requirements-lab3.txt")
    )
    for name in ("torch", "numpy"):
        assert re.search(rf"\b{name}==([\d.]+)", image)[1] in re.findall(
            rf"(?m)^{name}==([\d.]+)", pinned
        )


@pytest.mark.parametrize("name", ["8-script-processor", "9-own-container"])
def test_a_notebook_names_no_file_that_is_not_there(name):
    text = (LAB / f"{name}.py").read_text()
    for place in re.findall(r"`((?:script_\w+|container|code_dependencies)/[\w/]+\.?\w*)`", text):
        if place.startswith("code_dependencies"):
            place = f"script_annotations/{place}"
        assert (LAB / place).exists(), place
