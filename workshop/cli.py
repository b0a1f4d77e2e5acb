"""The verbs of `./lab`. Each one imports what it needs when it is called: `--help` is quick."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from workshop.emulator.errors import WorkshopError
from workshop.paths import ROOT

#: What `clean` leaves in the state folder: the progress, and work that was set aside.
LEARNERS_OWN = ("progress*.json", "kept")

AWS = Annotated[bool, typer.Option("--aws", help="Use your own AWS account. It costs money.")]

PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


class _Verbs(TyperGroup):
    """Turns the errors a learner is meant to read into a sentence and an exit status."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: typer.Context):
        try:
            return super().invoke(ctx)
        except WorkshopError as error:
            typer.echo(f"lab: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("\nlab: interrupted", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Verbs,
    help="The workshop: an ML pipeline, moved onto Amazon SageMaker step by step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
)


def main() -> None:
    # A terminal that goes away, and a CI that cancels, end everything as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    app(prog_name="./lab")


@app.command()
def run(
    labs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LAB]...", help="The start of a lab's name, like Lab0 or Lab1."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Use another data set: a folder with MNIST's four IDX files."
        ),
    ] = None,
    aws: AWS = False,
) -> None:
    """Run solutions end to end: Lab1, or the labs you name."""
    from workshop import pins
    from workshop.course import run as course_run

    os.environ.update(pins.settings())
    if not aws:
        raise typer.Exit(course_run.run(labs or ["Lab1"], data))
    from workshop.account import endpoints

    os.environ.update(_own_account())
    try:
        status = course_run.run(labs or ["Lab1"], data, aws=True)
    finally:  # Ctrl-C may come between deploy() and delete_endpoint()
        endpoints.tell()
    raise typer.Exit(status)


@app.command(context_settings=PASS_ON)
def test(ctx: typer.Context) -> None:
    """Run all that CI runs. Arguments (-k build) go to pytest."""
    os.chdir(ROOT)
    _become([sys.executable, "-m", "pytest", *ctx.args], dict(os.environ))


@app.command()
def setup(
    lab: Annotated[str, typer.Argument(metavar="LAB", help="The start of a lab's name: Lab3.")],
) -> None:
    """Install what a lab needs that the others do not. `run` does it by itself."""
    from workshop.course import manifest, packages

    found = manifest.find(lab, manifest.labs())
    if found.packages:
        packages.ensure(found.packages)
    typer.echo(f"{found.folder} has all it needs.")


@app.command(context_settings=PASS_ON)
def start(
    ctx: typer.Context,
    docker: Annotated[
        bool, typer.Option("--docker", help="Run local jobs in a real Docker engine.")
    ] = False,
    aws: AWS = False,
) -> None:
    """Open JupyterLab, connected to the emulated AWS. Arguments (--no-browser) go to it."""
    from workshop import jupyterlab, machine, pins
    from workshop.emulator.client import connection

    if docker:
        os.environ["WORKSHOP_DOCKER"] = "1"
        found, engine = machine.docker_engine()
        if not found:
            raise WorkshopError(f"--docker needs a Docker engine: {engine}.")
    os.environ.update(pins.settings())
    environment = _own_account() if aws else connection.environment()
    jupyterlab.trust_notebooks()
    where = "your own AWS account" if aws else "the emulated AWS"
    typer.echo(f"JupyterLab is starting, connected to {where}. Ctrl-C ends it.")
    _become([*jupyterlab.command(), *ctx.args], jupyterlab.environment(environment))


@app.command("exec", context_settings={**PASS_ON, "allow_interspersed_args": False})
def exec_(
    ctx: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="CMD...", help="A program, its arguments.")
    ],
    aws: AWS = False,
) -> None:
    """Run any program with the emulated AWS: ./lab exec -- python train.py"""
    from workshop import pins
    from workshop.emulator.client import connection

    os.environ.update(pins.settings())
    _become([*command, *ctx.args], _own_account() if aws else connection.environment())


@app.command()
def interrupt(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The name of a training job.")],
) -> None:
    """Take the spot instance of a training job away, as AWS may do at any time."""
    from workshop.emulator.client import daemon

    daemon.interrupt(job)
    typer.echo(f"{job} lost its instance. It goes on with another one, from its checkpoint.")


@app.command()
def check(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="SECTION[.TASK]", help="1, 1.2 or several; else all tasks."),
    ] = None,
) -> None:
    """Look at your work: is a task done, and if not, what is there and what should be?

    The exit status is 0 when all these tasks are passed, now or before: a pass stays, and only
    ./lab reset takes it back. Else it is 1.
    """
    from workshop.course import checks

    outcomes = checks.show(*tasks or ())
    raise typer.Exit(0 if all(one.passed for one in outcomes) else 1)


@app.command()
def hint(
    task: Annotated[str, typer.Argument(metavar="SECTION.TASK", help="A task, like 1.2.")],
    rung: Annotated[
        int | None, typer.Option(metavar="N", help="Show hint N, and not the next one.")
    ] = None,
) -> None:
    """Show the next hint of a task."""
    from workshop.course import hints

    hints.show(task, rung)


@app.command()
def compare(
    task: Annotated[str, typer.Argument(metavar="SECTION.TASK", help="A task, like 1.2.")],
) -> None:
    """Show your code of a task beside ours. Before it is passed, ask twice."""
    from workshop.course import compare as course_compare

    course_compare.show(task)


@app.command()
def progress(
    json: Annotated[bool, typer.Option("--json", help="For programs: as JSON.")] = False,
) -> None:
    """Show which tasks are done, the hints you opened, the time you took."""
    from workshop.course import progress_report

    if json:
        typer.echo(progress_report.as_json())
    else:
        progress_report.show()


@app.command()
def reset(
    section: Annotated[str, typer.Argument(metavar="SECTION", help="1, 2 or 3.")],
) -> None:
    """Start a section again; your own work is kept aside, its passes are taken back."""
    from workshop.course import reset as course_reset

    course_reset.show(section)


@app.command()
def doctor(
    aws: Annotated[
        bool, typer.Option("--aws", help="Check your own AWS account, not this machine.")
    ] = False,
) -> None:
    """Check this machine: each line says ok, or what to do."""
    if aws:
        from workshop.account import doctor as account_doctor

        raise typer.Exit(account_doctor.doctor())
    from workshop import machine

    raise typer.Exit(machine.doctor())


@app.command()
def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="fashion-mnist")],
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to put it (data/fashion-mnist).")
    ] = None,
) -> None:
    """Download another data set: fashion-mnist (31 MB)."""
    from workshop import terminal
    from workshop.course import dataset

    if name.casefold() != "fashion-mnist":
        raise WorkshopError(f"There is no data set {name!r} here. Known: fashion-mnist.")
    folder = to or ROOT / "data" / "fashion-mnist"
    console = terminal.console()
    if console.is_terminal:
        with console.status("Fashion-MNIST") as status:
            dataset.download_fashion_mnist(folder, status.update)
    else:
        dataset.download_fashion_mnist(folder, console.print)
    summary = dataset.check(folder)
    console.print(f"{summary.train_images:,} training and {summary.test_images:,} test images.")
    console.print(f"Use them: ./lab run --data {terminal.shown(folder)}")


@app.command()
def clean(
    runs: Annotated[bool, typer.Option("--runs", help="Remove runs/ too.")] = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Remove your progress and kept work too.")
    ] = False,
    aws: Annotated[
        bool, typer.Option("--aws", help="Remove what the workshop made in your AWS account.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the emulated AWS and remove all that it keeps. Your progress stays."""
    if aws:
        from workshop.account import clean as account_clean

        raise typer.Exit(account_clean.clean(ask=None if yes else typer.confirm))
    from workshop import terminal
    from workshop.emulator import files, state
    from workshop.emulator.client import daemon
    from workshop.emulator.containers import engine

    running = ", ".join(job.name for job in engine.running())
    if running:
        raise WorkshopError(f"Jobs are running here: {running}. Stop them first.")
    top = state.folder()
    own = [] if progress else [path for pattern in LEARNERS_OWN for path in top.glob(pattern)]
    folders = [top, *([ROOT / "runs"] if runs else [])]
    folders = [folder for folder in folders if folder.is_dir()]
    names = " and ".join(terminal.shown(folder) for folder in folders)
    stays = ", ".join(terminal.shown(path) for path in own)
    but = f" (not {stays})" if own else ""
    if not yes and not typer.confirm(f"Remove {names}{but}?"):
        raise typer.Exit(1)
    daemon.stop()
    for folder in folders:
        gone = set(top.iterdir()) - set(own) if folder == top and own else [folder]
        for path in gone:
            try:
                files.remove(path) if path.is_dir() else path.unlink()
            except OSError as error:
                raise WorkshopError(f"{path} cannot be removed: {error}.") from error
    typer.echo(f"Removed {names}{but}.")


@app.command()
def build(
    check: Annotated[
        bool, typer.Option("--check", help="Only compare with source/; change nothing.")
    ] = False,
) -> None:
    """For authors: render source/ into the labs, hints/ and final/."""
    from workshop.course import build as course_build

    if not check:
        course_build.build()
        return
    differences = course_build.check()
    for difference in differences:
        typer.echo(difference)
    if differences:
        count = f"{len(differences)} file{'s are' if len(differences) > 1 else ' is'}"
        raise WorkshopError(
            f"{count} not what source/ gives: run ./lab build, and commit what it writes."
        )
    typer.echo("The labs, hints/ and final/ are what source/ gives.")


def _own_account() -> dict[str, str]:
    """Return the environment for a program that uses the learner's account; say which it is."""
    from workshop import machine
    from workshop.account import connection

    found, _ = machine.docker_engine()
    environment, account = connection.environment(stand_in=not found)
    typer.echo(connection.describe(account), err=True)
    return environment


def _become(command: list[str], environment: dict[str, str]) -> None:
    """Replace this process by a program: its signals and its exit status are its own."""
    sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and children inherit that
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        # A folder of PATH that may not be read hides that it is in none of them.
        here = os.sep in command[0] or shutil.which(command[0], path=environment["PATH"])
        missing = not here or isinstance(error, FileNotFoundError)
        why = "there is no such program" if missing else error.strerror
        typer.echo(f"lab: cannot run {command[0]}: {why}.", err=True)
        raise typer.Exit(127 if missing else 126) from None
