"""The passes over the outputs of an executed notebook, one by one."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from workshop.course.passes.drop_stderr import drop_stderr
from workshop.course.passes.join_streams import join_streams
from workshop.course.passes.mask_texts import mask_texts
from workshop.course.passes.settle_text import settle_text
from workshop.paths import ROOT


def with_outputs(*outputs):
    return new_notebook(cells=[new_code_cell("x", outputs=list(outputs))])


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def all_text(notebook):
    return [output.text for output in notebook.cells[0].outputs]


def test_stderr_is_dropped_and_what_is_cut_by_chance_is_joined():
    notebook = with_outputs(printed("a\n"), printed("warning", "stderr"), printed("b\n"))
    drop_stderr(notebook)
    join_streams(notebook)
    assert all_text(notebook) == ["a\nb\n"]


def test_overwritten_lines_and_colors_are_settled():
    notebook = with_outputs(printed("10%\r50%\rdone\n\x1b[31mred\x1b[0m\r\nend"))
    settle_text(notebook)
    assert all_text(notebook) == ["done\nred\nend"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"{ROOT}/data/raw\n", "data/raw\n"),
        (f"in {ROOT}\n", "in .\n"),
        ("tensorflow-training-2027-11-20-13-03-20-123", "tensorflow-training-" + "{job}"),
        ("2027-11-20 13:03:20,123 INFO", "2026-01-01 00:00:00 INFO"),
        ("2027-11-20T13:03:20.123Z", "2026-01-01T00:00:00Z"),
        (
            "pipelines-p4vm7oc9fq7q-Train-47Np3hj090",
            "pipelines-xxxxxxxxxxxx-Train-xxxxxxxxxx",
        ),
        (
            "Executions/2026-11-28T10:11:12Z/p4vm7oc9fq7q/Evaluation/",
            "Executions/2026-01-01T00:00:00Z/xxxxxxxxxxxx/Evaluation/",
        ),
        ("lab4-tuning-261128-1011-001-c37a8be0", "lab4-tuning-260101-0000-001-xxxxxxxx"),
        ("algo-1-x7k2p | hello", "algo-1-xxxxx | hello"),
        ("http://127.0.0.1:43215", "http://127.0.0.1:PORT"),
        ("/tmp/tmpab12cd_9/model", "/tmp/tmpxxxxxxxx/model"),
        ("45/45 - 2s 31ms/step - loss: 0.5", "45/45 - 1s 1ms/step - loss: 0.5"),
        ("<object at 0x7f3c2a1b>", "<object>"),
        ("1,437 images, 0.986 accuracy", "1,437 images, 0.986 accuracy"),
        ("sagemaker-us-east-1-123456789012", "sagemaker-us-east-1-123456789012"),
    ],
)
def test_masks(text, masked):
    notebook = with_outputs(printed(text))
    mask_texts(notebook)
    assert all_text(notebook) == [masked.format(job="2026-01-01-00-00-00-000")]
