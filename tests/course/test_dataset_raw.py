"""data/raw is what data/make_digits.py writes, and is fit for the labs."""

import gzip
import runpy

import numpy as np
import pytest

import workshop
from workshop.course import dataset

RAW = workshop.ROOT / "data" / "raw"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two folders, each made by a run of its own."""
    main = runpy.run_path(str(workshop.ROOT / "data" / "make_digits.py"))["main"]
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder in folders:
        main(folder)
    return folders


def read(folder, name):
    with gzip.open(folder / name) as file:
        return file.read()


def test_there_are_1437_and_360_images():
    assert dataset.check(RAW) == (1437, 360)


def test_each_digit_has_its_share_in_the_test():
    train = np.frombuffer(read(RAW, "train-labels-idx1-ubyte.gz"), np.uint8, offset=8)
    test = np.frombuffer(read(RAW, "t10k-labels-idx1-ubyte.gz"), np.uint8, offset=8)
    share = np.bincount(test) / (np.bincount(train) + np.bincount(test))
    assert np.allclose(share, 0.2, atol=0.01)


def test_images_are_white_on_black_with_a_margin():
    images = np.frombuffer(read(RAW, "train-images-idx3-ubyte.gz"), np.uint8, offset=16)
    images = images.reshape(-1, 28, 28)
    assert images.min() == 0
    assert images.max() == 255
    assert not images[:, [0, -1]].any()
    assert not images[:, :, [0, -1]].any()


def test_the_script_writes_the_same_bytes_each_time(made):
    one, two = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made)
    assert one == two


def test_the_script_writes_what_is_in_data_raw(made):
    # Unpacked: another version of zlib may pack the same content into other bytes.
    names = sorted(path.name for path in RAW.glob("*.gz"))
    assert names == sorted(path.name for path in made[0].iterdir())
    assert all(read(made[0], name) == read(RAW, name) for name in names)


def test_the_packed_files_hold_neither_a_time_nor_a_name():
    for path in RAW.glob("*.gz"):
        header = path.read_bytes()[:10]
        assert header[3] == 0  # no flags: no name, no comment
        assert header[4:8] == bytes(4)  # no time
