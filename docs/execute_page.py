"""Executes a page: a Python file in percent format becomes Markdown with what its cells print.

Command: `python docs/execute_page.py PAGE.py RUN PAGE.md`, where RUN is what the page is about.

A cell that begins with `# %% [markdown]` is text, one that begins with `# %%` is code. Code finds
the directory of the run as `RUN` and that of the page, for pictures, as `HERE`.
"""

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path

TEXT, CODE = "# %% [markdown]", "# %%"


def execute(page: Path, run: Path, here: Path) -> str:
    """The Markdown of a page, executed on a run; pictures go to `here`."""
    names = {"RUN": run, "HERE": here, "__name__": page.stem}
    parts = [f"<!-- Made by docs/execute_page.py from {page.name}: change that. -->"]
    for cell in page.read_text().split(f"\n{CODE}")[1:]:
        kind, _, body = f"{CODE}{cell}".partition("\n")
        body = body.strip("\n")
        if kind == TEXT:
            lines = (line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
            parts.append("\n".join(lines))
            continue
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(body, str(page), "exec"), names)
        parts.append(f"```python\n{body}\n```")
        if printed.getvalue():
            parts.append(f"```text\n{printed.getvalue().rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    page, run, to = map(Path, sys.argv[1:])
    to.write_text(execute(page, run, to.parent))
