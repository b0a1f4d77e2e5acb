"""What to do after a section's last task, and where a task is."""

from __future__ import annotations

from workshop.course import manifest, progress_file


def after(section: manifest.Section) -> str:
    """Return what is next, once all tasks of a section are passed."""
    title = f"Section {section.number} ({section.title}) is done."
    # The sections that come after this one, then those before it.
    order = [one for lab in manifest.labs() for one in lab.sections if one.tasks]
    place = order.index(section)
    for one in (*order[place + 1 :], *order[:place]):
        if not is_done(one):
            return f"{title}\nNext: section {one.number} ({one.title}), {notebook(one)}"
    return f"{title} That was the last one: all tasks of the workshop are passed."


def is_done(section: manifest.Section) -> bool:
    """Tell whether all tasks of a section are passed."""
    known = progress_file.summary()
    return all(task.number in known and known[task.number].passed for task in section.tasks)


def section_of(number: str) -> manifest.Section:
    """Return the section of a task."""
    return manifest.section(int(number.partition(".")[0]))


def notebook(section: manifest.Section) -> str:
    """Return the path of a section's notebook, as JupyterLab's file browser has it."""
    (lab,) = (lab for lab in manifest.labs() if section in lab.sections)
    return f"{lab.folder}/{section.notebook}.ipynb"
