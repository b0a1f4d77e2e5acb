"""The cells of the section's notebook, what they printed, and what they set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workshop.course.checks import live
from workshop.course.checks.look import source
from workshop.course.checks.look.lab import Look
from workshop.course.checks.outcome import NotYet


@dataclass(frozen=True)
class Cell:
    """A code cell; `printed` is None where the file does not tell what this source printed."""

    source: str
    printed: str | None

    def sets(self, name: str) -> bool:
        """Tell whether it assigns a variable, or makes a function."""
        return source.sets(self.source, name)


def cells(look: Look) -> list[Cell]:
    """Return the code cells; those that ran in this kernel as they were then."""
    try:
        content = json.loads(look.notebook.read_text())
        saved_cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        raise NotYet(
            f"no notebook {look.notebook.name} in {look.folder} that can be read",
            "the notebook of this section; ./lab check looks for it in the folder where it "
            "is started, then in the workshop's own",
            looked_at=str(look.folder),
        ) from None
    ran = live.sources(look.notebook.name)
    found = []
    for cell in saved_cells:
        saved = "".join(cell["source"])
        now = ran.get(cell.get("id"), saved)
        outputs = cell.get("outputs", ()) if now == saved else ()
        found.append(Cell(now, "\n".join(map(_output_text, outputs)) if outputs else None))
    look.saw_file(look.notebook.name, "\n\n".join(cell.source for cell in found).encode())
    return found


def cell(look: Look, name: str) -> Cell:
    """Return the last cell that sets a variable, which is named by the task."""
    look.at(f"{look.notebook.name}, the cell that sets {name}")
    setting = [one for one in cells(look) if one.sets(name)]
    if not setting:
        raise NotYet(f"no cell sets {name}", f"a cell that sets {name}")
    return setting[-1]


def code(look: Look, wanted: Iterable[str], others: Iterable[str] = ()) -> bytes:
    """Return the code of all cells that set one of these names; the wanted ones must be set."""
    every = cells(look)
    for name in wanted:
        if not any(one.sets(name) for one in every):
            raise NotYet(f"no cell makes {name}", f"a cell that makes {name}")
    names = [*wanted, *others]
    parts = [source.without_magics(one.source) for one in every if any(map(one.sets, names))]
    return "\n\n".join(parts).encode()


def value(look: Look, name: str, read: Callable[[str], object]) -> object:
    """Return what a variable is: in the notebook's kernel, or as its cell printed it.

    read: makes a value of what the cell printed
    """
    setting = cell(look, name)
    variables = live.variables(look.notebook.name)
    if name in variables:
        return variables[name]
    if setting.printed is None:
        raise NotYet(
            f"what {name} is does not stand in the saved notebook",
            "the cell run, and the notebook saved after it; or the check in the notebook",
        )
    return read(setting.printed)


def _output_text(output: dict) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain") or ""
    return "".join(text)
