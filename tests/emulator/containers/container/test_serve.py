"""The command ``serve`` before its server starts: the script and the libraries it asks for."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

IMAGE = "sagemaker-scikit-learn:1.4-2-cpu-py3"
SCRIPT = """
import extra
def model_fn(folder): return extra.__version__
def transform_fn(model, data, kind, accept): return model, "text/plain"
"""


def test_what_requirements_txt_asks_for_is_there_before_the_script(serve, tmp_path, make_wheel):
    code = tmp_path / "model/code"
    code.mkdir(parents=True)
    make_wheel(code, "extra", "4.2")
    (code / "inference.py").write_text(SCRIPT)
    (code / "requirements.txt").write_text("/opt/ml/model/code/extra-4.2-py3-none-any.whl\n")
    served = serve(IMAGE)
    assert served.ask("").text == "4.2"
    assert served.has_logged("Successfully installed extra-4.2")

    (code / "requirements.txt").write_text("/opt/ml/model/code/missing.whl\n")
    assert "requirements.txt could not be installed" in serve(IMAGE, fails=True)


def test_what_the_host_changes_of_the_model_it_alone_sees(serve, tmp_path):
    code = tmp_path / "model/code"
    code.mkdir(parents=True)
    write = "open('/opt/ml/model/new', 'w').write('x')"
    (code / "own.py").write_text(
        f"def model_fn(folder): {write}; return 'fine'\n"
        'def transform_fn(model, data, kind, accept): return model, "text/plain"\n'
    )
    served = serve(IMAGE, SAGEMAKER_PROGRAM="own.py")
    assert served.ask("").text == "fine"
    assert not (tmp_path / "model/new").exists()
