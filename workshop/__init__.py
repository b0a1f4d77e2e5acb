"""The workshop's own package: an emulated SageMaker, and the course that runs on it."""

from pathlib import Path

#: The folder that holds the labs, `data/` and `./lab`.
ROOT = Path(__file__).resolve().parent.parent


def connect() -> None:
    """Send the AWS calls of this process to the emulator (`workshop.emulator.connection`)."""
    from workshop.emulator import connection  # every Python under ./lab imports this package

    connection.connect()
