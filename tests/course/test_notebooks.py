"""What is read out of a notebook: its parameters, its key figure."""

import nbformat

from workshop.course import notebooks


def test_key_figure_and_parameters_are_found_by_tag():
    cells = [
        nbformat.v4.new_code_cell(
            "LOCAL = True\nRAW_DATA: str = 'x'", metadata={"tags": ["parameters"]}
        ),
        nbformat.v4.new_code_cell(
            "print()",
            metadata={"tags": ["key-figure"]},
            outputs=[nbformat.v4.new_output("stream", text="accuracy\n  0.9\n")],
        ),
        nbformat.v4.new_code_cell("other = 1"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert notebooks.parameter_names(notebook) == {"LOCAL", "RAW_DATA"}
    assert notebooks.key_figure(notebook) == "accuracy 0.9"
