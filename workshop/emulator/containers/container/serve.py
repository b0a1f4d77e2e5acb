"""The ``serve`` command of the inference images: brings the script along, then starts a server.

    serve.py SERVER [ARGUMENT…]

SERVER is a file in ``serving/``. The script comes in the model archive, below ``code``, or from
``SAGEMAKER_SUBMIT_DIRECTORY``: a folder of the container, or a ``sourcedir.tar.gz`` in S3. What its
``requirements.txt`` asks for is installed first, as the images do
(https://github.com/aws/sagemaker-inference-toolkit, ``model_server.py``;
https://github.com/aws/sagemaker-tensorflow-serving-container, ``serve.py``).
"""

import os
import subprocess
import sys
from pathlib import Path

IN_ARCHIVE, ELSEWHERE = Path("/opt/ml/model/code"), Path("/opt/ml/code")


def script_folders() -> list[Path]:
    """Return the folders with the script and its modules; those that hold nothing are left out."""
    given = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if given.startswith("s3://"):
        from sagemaker_training import files

        files.download_and_extract(given, str(ELSEWHERE))
        given = str(ELSEWHERE)
    wanted = dict.fromkeys([Path(given), IN_ARCHIVE] if given.startswith("/") else [IN_ARCHIVE])
    return [folder for folder in wanted if folder.is_dir()]


def main() -> None:
    folders = script_folders()
    program = os.environ.get("SAGEMAKER_PROGRAM")
    if program and not any((folder / program).exists() for folder in folders):
        places = " and ".join(map(str, folders)) or f"{IN_ARCHIVE}, which is not there"
        sys.exit(f"There is no script {program} in {places}. Give entry_point and source_dir.")
    for folder in folders:
        if (folder / "requirements.txt").exists():
            pip = [sys.executable, "-m", "pip", "install", "-r", str(folder / "requirements.txt")]
            code = subprocess.run(pip, check=False).returncode
            if code:
                sys.exit(f"{folder / 'requirements.txt'} could not be installed: see above.")
    server = Path(__file__).resolve().parent / "serving" / sys.argv[1]
    paths = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    os.execve(sys.executable, [sys.executable, str(server), *sys.argv[2:]], environment)


if __name__ == "__main__":
    main()
