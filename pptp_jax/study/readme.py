"""The README of a run directory: its study, the command that resumes it, and its files."""

from collections.abc import Mapping
from typing import Any

# The lines of a file in combined/.
LINES = (
    "a line a record, the riskiest first: `record` (name or number), `label` (class), "
    "`targets_with` (attacked models that trained on it), `mean_with` and `highest_with` (the "
    "probability by these), and the same of models `without` it"
)
FILES = {
    "report.html": "the report, one file that opens anywhere; start here",
    "report.json": "the same for machines",
    "table.txt": "every attack and every comparison, as tables",
    "results.json": "every number with its interval, the configuration, versions and the command; "
    "it is written last, so a run that has it is finished",
    "manifest.json": "what was to be trained, written before the first model",
    "losses.csv": "the mean training loss after each epoch, written while the run trains",
    "utility_over_auc.png": "utility over what the attack achieves, a curve a method",
    "utility_over_tpr.png": "the same over the true-positive rate at 0.1 % false positives",
    "roc.png": "the ROC of each attack",
    "signals/": "`membership.npy` (models, examples), `labels.npy`, `example_ids.npy`, and for "
    "each recipe φ in `RECIPE.npy` (models, queries, examples), `utility/RECIPE.npy` and, of "
    "classifiers, `logits/RECIPE.npy`",
    "scores/": "for each recipe what every attack makes of each example, in `RECIPE.npz`, and in "
    "`RECIPE/EPOCHS.npz` what the compared attack does at a stop on the way",
    "combined/": "for each recipe the probability of membership by all attacks together: in "
    f"`RECIPE.csv` {LINES}; in `RECIPE.npz` by every model",
    "riskiest.npz": "the records that the compared attack is surest of",
    "samples.npz": "samples of generative models, and the members and non-members nearest to them",
    "risk_map.json": "where in the network membership can be read off; of `pptp locate`",
    "risk_map.txt": "the same as a table",
    "risk_map.png": "the same as a figure",
    "fleets/": "what an interrupted run goes on from; may be deleted once results.json is there, "
    "at the cost of training again",
    ".lock": "keeps a second run out while one is at work",
}


def render_readme(manifest: Mapping[str, Any]) -> str:
    """The README of a run, as Markdown.

    Args:
        manifest: the content of `manifest.json`.

    Examples:
        >>> data = {"name": "digits", "examples": 300, "classes": 10}
        >>> known = {"study": "tiny", "command": "pptp run tiny.py", "data": data, "models": 6}
        >>> print(render_readme(known).splitlines()[0])
        # A run of the study tiny
    """
    data = manifest["data"]
    classes = f" in {data['classes']} classes" if data["classes"] else ""
    what = (
        f"{manifest['models']} models a recipe, trained on {data['name']} "
        f"({data['examples']} examples{classes}) and attacked by membership inference, by pptp_jax."
    )
    if alike := data.get("likeness"):
        what += f"\n\nOf the data: {alike['words']}."
    after = (
        "`pptp compare DIR DIR` compares two runs. `pptp choose DIR` says which setting with a "
        "region to take to a fleet of another seed."
    )
    again = taken_up(manifest["command"], "pptp_jax.study.run")
    return readme(f"A run of the study {manifest['study']}", what, again, after, files=FILES)


def taken_up(command: str | None, function: str) -> str:
    """The sentence on resuming a stopped training."""
    if command is None:
        return f"`{function}` was called from Python; the same call goes on from here."
    return (
        f"    {command}\n\nStopped, or changed in what it trains, it is taken up by the same "
        "command into this directory; what is finished is not trained again."
    )


def readme(
    title: str, what: str, again: str, *more: str, files: Mapping[str, str], reported: str = "DIR"
) -> str:
    """The README of any directory that a command writes.

    Args:
        title: the heading.
        what: what was done.
        again: how it is done again.
        *more: further sentences, behind how the report is.
        files: what each file is.
        reported: the directory that has a report.
    """
    listed = "\n".join(f"- `{name}`: {what}." for name, what in files.items())
    trains = f"`pptp report {reported}` writes the report again and trains nothing."
    anew = " ".join([trains, *more])
    return (
        f"# {title}\n\n{what}\n\n{again}\n\n{anew}\n\n## Files\n\nSome are written on "
        f"request only.\n\n{listed}\n"
    )
