"""JupyterLab under `./lab start`, asked by its own API, and looked at in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from websocket import WebSocket, create_connection

from workshop.course import notebooks
from workshop.paths import ROOT

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def until(true: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


@dataclass
class Server:
    port: int
    told: Path  # what the terminal shows
    folder: str  # the learner's, below the root: a copy of Lab 1 and its solution

    def ask(self, path: str, method: str = "GET", content: dict | None = None):
        data = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": "token secret"}
        url = f"http://127.0.0.1:{self.port}/{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def listen(self, path: str, more: str = "") -> WebSocket:
        url = f"ws://127.0.0.1:{self.port}/{path}?token=secret{more}"
        return create_connection(url, timeout=30, suppress_origin=True)

    def show(self, page: Page, path: str) -> None:
        """Have a page show a file or folder, and nothing of what earlier pages did."""
        url = f"http://127.0.0.1:{self.port}/lab/tree/{path}?token=secret&reset"
        page.send("Page.navigate", url=url)

    def typed(self, terminal: str, command: str) -> list[str]:
        """Return the lines that a terminal shows, up to the end of what a command printed."""
        screen = self.listen(f"terminals/websocket/{terminal}")
        screen.send(json.dumps(["stdin", f"{command}; echo en''d\r"]))
        told = ""
        while "\nend" not in told:
            kind, *text = json.loads(screen.recv())
            told += text[0] if kind == "stdout" else ""
        screen.close()
        lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", told))
        return lines[: lines.index("end")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`./lab start` for somebody whose shell puts another Python first."""
    home = tmp_path_factory.mktemp("home")
    (home / "other").mkdir()
    for name in ("python", "docker"):
        (home / "other" / name).symlink_to("/bin/false")
    (home / ".bashrc").write_text(f"PATH={home}/other:$PATH\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (ROOT / "runs").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ROOT / "runs", prefix="test-"))
    for lab in ("Lab1-Unit-Testing", "final/Lab1-Unit-Testing"):
        unwanted = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
        shutil.copytree(ROOT / lab, folder / lab, ignore=unwanted)
    (folder / "final" / "data").symlink_to(ROOT / "data")
    options = [f"--port={port}", "--no-browser", "--IdentityProvider.token=secret"]
    options += ["--LabApp.expose_app_in_browser=True"]  # tests call its commands
    told = home / "told"
    with open(told, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "workshop", "start", *options],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HOME": str(home)},
        )
    one = Server(port, told, folder.relative_to(ROOT).as_posix())

    def answers() -> bool:
        assert process.poll() is None, told.read_text()
        try:
            return bool(one.ask("api/status"))
        except urllib.error.URLError:
            return False

    try:
        until(answers, 60)
        yield one
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder)


def test_the_file_browser_shows_what_is_the_learners(server):
    shown = {one["name"] for one in server.ask("api/contents/")["content"]}
    assert {"README.md", "Lab1-Unit-Testing", "final", "hints", "data", "docs"} <= shown
    authors = {"tests", "workshop", "source", "benchmarks", "infra", "pyproject.toml"}
    assert authors & shown == set()
    # A link to one of them leads somewhere all the same.
    assert server.ask("api/contents/infra/README.md")["name"] == "README.md"
    lab0 = server.ask("api/contents/Lab0-Container-Pipeline")["content"]
    assert "requirements.txt" in {one["name"] for one in lab0}  # task 1.2 copies it


def test_a_terminal_has_the_workshop(server):
    """Its Python, `lab` and `./lab`, in the folder it was asked for; the labs' docker too."""
    folder = f"{server.folder}/Lab1-Unit-Testing"
    name = server.ask("api/terminals", "POST", {"cwd": folder})["name"]
    python = "python -c 'import sys, workshop; print(sys.executable)'"
    told = server.typed(name, f"pwd; {python}; type -P lab docker; ./lab hint 1.1 | head -n 1")
    bin_ = ROOT / "workshop" / "emulator" / "containers" / "bin"
    shown = [ROOT / folder, sys.executable, ROOT / "lab", bin_ / "docker"]
    assert told[-5:-1] == [str(one) for one in shown]
    assert told[-1].startswith("### Hint 1 of ")


def test_the_command_to_take_away_runs_as_printed(server, tmp_path):
    folder = f"{server.folder}/final/Lab1-Unit-Testing"
    last = notebooks.read(ROOT / folder / "1-preprocessing.ipynb").cells[-1].source
    (command,) = re.findall(r"```bash\s+(.*)\s+```", last)
    name = server.ask("api/terminals", "POST", {"cwd": folder})["name"]
    told = server.typed(name, command.replace("/tmp/arrays", str(tmp_path)))
    assert told[-1] == "Data preprocessing complete"
    assert len([*tmp_path.rglob("*.npy")]) == 6


@pytest.mark.parametrize("lab", ["Lab1-Unit-Testing", "final/Lab1-Unit-Testing"])
def test_a_notebook_that_is_saved_as_it_is_keeps_its_bytes(server, lab):
    """JupyterLab notes the kernel's language, with its version, in each notebook that it opens."""
    path = f"{server.folder}/{lab}/2-training.ipynb"
    before = (ROOT / path).read_bytes()
    model = server.ask(f"api/contents/{path}?content=1")
    model["content"]["metadata"]["language_info"] = {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "version": "3.11.2",
    }
    saved = {"type": "notebook", "format": "json", "content": model["content"]}
    server.ask(f"api/contents/{path}", "PUT", saved)
    assert (ROOT / path).read_bytes() == before


def test_a_connection_is_not_cut(server):
    """The server looks after each 30 seconds if the browser still answers."""
    name = server.ask("api/terminals", "POST", {})["name"]
    screen = server.listen(f"terminals/websocket/{name}")
    screen.settimeout(60)
    screen.send(json.dumps(["stdin", "sleep 33; echo en''d\r"]))
    while "end" not in screen.recv():  # recv answers pings, and raises where it is closed
        pass
    screen.close()


def test_nothing_is_told_that_nobody_can_act_on(server):
    path = "final/Lab1-Unit-Testing/1-preprocessing.ipynb"
    server.ask(f"api/contents/{path}?content=1")
    server.ask("lab/api/build")
    session = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = server.ask("api/sessions", "POST", session)["kernel"]["id"]
    server.listen(f"api/kernels/{kernel}/channels", "&session_id=one").close()
    line = "JupyterLab is starting, connected to the emulated AWS. Ctrl-C ends it.\n"
    assert server.told.read_text() == line


# --- in a browser


class Page:
    """A page in Chromium, told what to do by its own protocol."""

    def __init__(self, folder: Path):
        options = ["--headless=new", "--no-sandbox", "--window-size=1280,720"]
        self.process = subprocess.Popen(
            [CHROMIUM, *options, "--remote-debugging-port=0", f"--user-data-dir={folder}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        file = folder / "DevToolsActivePort"
        until(lambda: file.is_file() and file.read_text().count("\n"), 30)
        port = file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        self.socket = create_connection(
            pages[0]["webSocketDebuggerUrl"], timeout=60, suppress_origin=True
        )
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def send(self, method: str, **parameters) -> dict:
        self.socket.send(json.dumps({"id": 1, "method": method, "params": parameters}))
        while "id" not in (answer := json.loads(self.socket.recv())):
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def run(self, code: str):
        """Return what JavaScript gives."""
        found = self.send("Runtime.evaluate", expression=code, returnByValue=True)["result"]
        return found.get("value")

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def page(tmp_path):
    if not CHROMIUM:
        pytest.skip("needs Chromium or Chrome")
    one = Page(tmp_path)
    yield one
    one.close()


def opened(server: Server, page: Page, path: str) -> None:
    """Open a notebook, and wait until its kernel is ready."""
    server.show(page, path)
    kernel = "jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
    until(lambda: page.run(kernel) == "idle", 60)


def test_a_notebook_that_is_looked_at_has_no_changes(server, page):
    path = f"{server.folder}/final/Lab1-Unit-Testing/3-evaluation.ipynb"
    before = (ROOT / path).stat().st_mtime_ns
    opened(server, page, path)
    model = "jupyterapp.shell.currentWidget.content.model"
    until(lambda: page.run(f"{model}.getMetadata('language_info').version"), 30)
    assert page.run(f"{model}.dirty") is False
    assert (ROOT / path).stat().st_mtime_ns == before
    page.run(f"{model}.cells.get(0).sharedModel.setSource('mine')")
    assert page.run(f"{model}.dirty") is True


def test_run_all_shows_the_gap_that_stopped_it(server, page):
    opened(server, page, f"{server.folder}/Lab1-Unit-Testing/1-preprocessing.ipynb")
    page.run("void jupyterapp.commands.execute('notebook:run-all-cells')")
    active = "document.querySelector('.jp-Cell.jp-mod-active')"
    until(lambda: "task 1.1 not attempted" in (page.run(f"{active}?.innerText") or ""), 60)
    until(lambda: 0 < page.run(f"{active}.getBoundingClientRect().top") < 400, 10)
    error = f"getComputedStyle({active}.querySelector('.jp-OutputArea-output pre'))"
    assert page.run(f"{error}.wordBreak") == "normal"


def test_a_terminal_starts_where_the_file_browser_is(server, page):
    folder = f"{server.folder}/final"
    server.show(page, folder)
    there = "document.querySelector('.jp-BreadCrumbs')?.innerText.includes('final')"
    until(lambda: page.run(there), 60)
    before = {one["name"] for one in server.ask("api/terminals")}
    page.run("void jupyterapp.commands.execute('terminal:create-new')")
    until(lambda: len(server.ask("api/terminals")) > len(before), 30)
    (name,) = {one["name"] for one in server.ask("api/terminals")} - before
    assert server.typed(name, "pwd")[-1] == str(ROOT / folder)
