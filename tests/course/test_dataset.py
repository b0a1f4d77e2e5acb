"""`dataset.check` refuses what the labs cannot use; Fashion-MNIST's download is safe to stop."""

import gzip
import hashlib
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workshop.course import dataset
from workshop.emulator.errors import WorkshopError

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


def images(count=20, rows=28, columns=28, magic=2051, pixels=None):
    body = bytes(count * rows * columns) if pixels is None else pixels
    return gzip.compress(struct.pack(">4I", magic, count, rows, columns) + body)


def labels(values=range(20), count=None, magic=2049):
    values = bytes(value % 256 for value in values)
    return gzip.compress(
        struct.pack(">2I", magic, len(values) if count is None else count) + values
    )


@pytest.fixture
def raw(tmp_path):
    """A folder that is right: 20 training and 10 test images."""
    ten = [i % 10 for i in range(20)]
    (tmp_path / TRAIN_IMAGES).write_bytes(images(20))
    (tmp_path / TRAIN_LABELS).write_bytes(labels(ten))
    (tmp_path / TEST_IMAGES).write_bytes(images(10))
    (tmp_path / TEST_LABELS).write_bytes(labels(ten[:10]))
    return tmp_path


def refusal(folder) -> str:
    with pytest.raises(WorkshopError) as error:
        dataset.check(folder)
    return str(error.value)


# ------------------------------------------------------------------------------------- check


def test_a_right_folder_is_counted(raw):
    assert dataset.check(raw) == (20, 10)


def test_a_folder_may_be_named_by_a_string(raw):
    assert dataset.check(str(raw)).test_images == 10


def test_a_missing_folder(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS])
def test_a_missing_file_is_named(raw, name):
    (raw / name).unlink()
    assert f"{raw / name} is missing" in refusal(raw)


def test_an_unpacked_file_is_noticed(raw):
    packed = raw / TRAIN_LABELS
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert "gzip train-labels-idx1-ubyte" in refusal(raw)


def test_a_file_that_is_no_gzip(raw):
    (raw / TRAIN_IMAGES).write_bytes(b"<html>404 Not Found</html>")
    message = refusal(raw)
    assert f"{raw / TRAIN_IMAGES} is not a gzip file" in message
    assert "3c 68, expected 1f 8b" in message


def test_an_empty_file(raw):
    (raw / TEST_LABELS).write_bytes(b"")
    assert "(none), expected 1f 8b" in refusal(raw)


def test_a_truncated_gzip(raw):
    packed = (raw / TRAIN_IMAGES).read_bytes()
    (raw / TRAIN_IMAGES).write_bytes(packed[:-10])
    message = refusal(raw)
    assert f"{raw / TRAIN_IMAGES} is cut off" in message
    assert "copy or download it again" in message


def test_a_damaged_gzip(raw):
    packed = bytearray((raw / TRAIN_LABELS).read_bytes())
    packed[-6] ^= 0xFF  # the checksum
    (raw / TRAIN_LABELS).write_bytes(packed)
    assert f"{raw / TRAIN_LABELS} is damaged (CRC check failed" in refusal(raw)


def test_a_gzip_that_ends_in_the_header(raw):
    (raw / TRAIN_IMAGES).write_bytes(gzip.compress(b"\0\0\x08\x03"))
    assert "found 4 bytes, expected at least 16" in refusal(raw)


def test_a_wrong_magic_number(raw):
    (raw / TRAIN_IMAGES).write_bytes(images(magic=1234))
    message = refusal(raw)
    assert "magic number 1234, expected 2051" in message
    assert "data/README.md" in message


def test_images_and_labels_that_are_swapped(raw):
    (raw / TRAIN_LABELS).write_bytes(images())
    assert "magic number 2051, expected 2049 (IDX labels)" in refusal(raw)
    assert "swapped?" in refusal(raw)


def test_images_of_another_size(raw):
    (raw / TEST_IMAGES).write_bytes(images(10, rows=32, columns=30))
    message = refusal(raw)
    assert str(raw / TEST_IMAGES) in message
    assert "32 x 30 pixels, expected 28 x 28" in message


def test_more_images_than_labels(raw):
    (raw / TRAIN_LABELS).write_bytes(labels([0] * 19))
    message = refusal(raw)
    assert f"{TRAIN_IMAGES} says that it holds 20 images" in message
    assert f"{TRAIN_LABELS} says 19 labels" in message


def test_no_images_at_all(raw):
    (raw / TEST_IMAGES).write_bytes(images(0))
    (raw / TEST_LABELS).write_bytes(labels([]))
    assert f"{raw / TEST_IMAGES} holds no images" in refusal(raw)


def test_missing_bytes(raw):
    (raw / TRAIN_IMAGES).write_bytes(images(20, pixels=bytes(19 * 784)))
    message = refusal(raw)
    assert "has 14,896 bytes after its header, expected 15,680" in message
    assert "784 bytes are missing" in message


def test_trailing_bytes(raw):
    (raw / TRAIN_LABELS).write_bytes(labels([0] * 23, count=20))
    assert "has 23 bytes after its header, expected 20" in refusal(raw)
    assert "3 bytes are too many" in refusal(raw)


def test_a_label_that_is_no_class(raw):
    (raw / TEST_LABELS).write_bytes(labels([1, 2, 3, 10, 5, 6, 7, 8, 9, 0]))
    assert "label number 3 (counted from 0) is 10, expected 0 to 9" in refusal(raw)


def test_a_wrong_label_far_inside_is_counted_right(raw):
    # Later than the first piece that is read.
    values = [0] * (dataset.CHUNK + 100)
    values[dataset.CHUNK + 50] = 77
    (raw / TEST_LABELS).write_bytes(labels(values))
    with pytest.raises(WorkshopError, match=f"number {dataset.CHUNK + 50:,} .* is 77"):
        dataset._check_body(raw / TEST_LABELS, 8, len(values), "labels", 9)


# --------------------------------------------------------------------------- Fashion-MNIST


class Shop(BaseHTTPRequestHandler):
    """Serves `files`, with or without Range; can hang up after some bytes."""

    def do_GET(self):
        shop = self.server
        shop.asked.append((self.path, self.headers.get("Range")))
        content = shop.files.get(self.path.lstrip("/"))
        if content is None:
            return self.send_error(404)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(wanted[1]) if wanted and shop.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: shop.hang_up_after])
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def shop(monkeypatch):
    """A server with four small files; their checksums take the place of the real ones."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.files = {
        name: name.encode() * 5000
        for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    }
    server.asked, server.ranges, server.hang_up_after = [], True, None
    server.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(
        dataset,
        "FASHION_MNIST_MD5",
        {name: hashlib.md5(content).hexdigest() for name, content in server.files.items()},
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def download(folder, shop) -> list[str]:
    lines = []
    dataset.download_fashion_mnist(folder, lines.append, shop.url)
    return lines


def failure(folder, shop) -> str:
    with pytest.raises(WorkshopError) as error:
        download(folder, shop)
    return str(error.value)


def complete(folder, shop) -> bool:
    found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return found == shop.files


def test_the_four_checksums_are_those_of_the_publisher():
    assert sorted(dataset.FASHION_MNIST_MD5) == sorted(
        [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]
    )
    assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in dataset.FASHION_MNIST_MD5.values())


def test_download_makes_the_folder_and_reports(tmp_path, shop):
    lines = download(tmp_path / "new" / "folder", shop)
    assert complete(tmp_path / "new" / "folder", shop)
    assert [line for line in lines if "checksum is right" in line and TEST_LABELS in line]


def test_what_is_there_is_not_downloaded_again(tmp_path, shop):
    download(tmp_path, shop)
    shop.asked.clear()
    assert all("already here" in line for line in download(tmp_path, shop))
    assert shop.asked == []


def test_a_stopped_download_goes_on_where_it_stopped(tmp_path, shop):
    shop.hang_up_after = 70_000
    message = failure(tmp_path, shop)
    assert "0.1 MB of it are kept" in message
    kept = (tmp_path / f"{TRAIN_IMAGES}.part").stat().st_size
    assert 0 < kept <= 70_000

    shop.hang_up_after = None
    download(tmp_path, shop)
    assert (f"/{TRAIN_IMAGES}", f"bytes={kept}-") in shop.asked
    assert complete(tmp_path, shop)


def test_a_server_that_cannot_go_on_starts_again(tmp_path, shop):
    (tmp_path / f"{TRAIN_IMAGES}.part").write_bytes(b"something else")
    shop.ranges = False
    download(tmp_path, shop)
    assert complete(tmp_path, shop)


def test_a_part_that_is_too_long_is_thrown_away(tmp_path, shop):
    (tmp_path / f"{TRAIN_IMAGES}.part").write_bytes(bytes(1_000_000))
    download(tmp_path, shop)
    assert complete(tmp_path, shop)


def test_a_whole_part_is_only_renamed(tmp_path, shop):
    (tmp_path / f"{TRAIN_IMAGES}.part").write_bytes(shop.files[TRAIN_IMAGES])
    download(tmp_path, shop)
    assert f"/{TRAIN_IMAGES}" not in [path for path, _ in shop.asked]


def test_a_wrong_checksum_removes_the_file_and_says_so(tmp_path, shop):
    shop.files[TRAIN_IMAGES] = b"a page that asks for a password"
    message = failure(tmp_path, shop)
    assert f"/{TRAIN_IMAGES} gave a file with md5 " in message
    assert f"expected {dataset.FASHION_MNIST_MD5[TRAIN_IMAGES]}" in message
    assert "It was removed" in message
    assert list(tmp_path.iterdir()) == []


def test_another_data_set_in_the_folder_is_left_alone(tmp_path, shop):
    (tmp_path / TRAIN_IMAGES).write_bytes(b"my own digits")
    assert "choose another folder" in failure(tmp_path, shop)
    assert (tmp_path / TRAIN_IMAGES).read_bytes() == b"my own digits"


def test_a_file_that_the_server_does_not_have(tmp_path, shop):
    del shop.files[TRAIN_IMAGES]
    assert f"{TRAIN_IMAGES} answered 404" in failure(tmp_path, shop)


def test_no_network(tmp_path, shop):
    shop.url = "http://127.0.0.1:9"  # nobody listens
    message = failure(tmp_path, shop)
    assert "connected to the internet?" in message
    assert "data/raw is enough" in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk(tmp_path, shop, monkeypatch):
    (tmp_path / f"{TRAIN_IMAGES}.part").symlink_to("/dev/full")
    shop.ranges = False
    monkeypatch.setattr(dataset, "_md5", lambda path: "?")  # /dev/full has no end to read to
    assert "The disk is full" in failure(tmp_path, shop)


def test_a_folder_that_cannot_be_made(tmp_path, shop):
    (tmp_path / "file").write_text("")
    assert "Cannot write to" in failure(tmp_path / "file" / "folder", shop)
