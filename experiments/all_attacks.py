"""Which attack is strongest on two data sets, and what access does it need?

Command: `python experiments/all_attacks.py location30.npz`; with `--quick`, minutes on smaller
fleets, whose numbers say nothing. It goes on where it was stopped. Into `runs/all_attacks` it
writes a run directory with its report for each data set, `all_attacks.png` and `all_attacks.txt`.

Every attack of `ATTACKS` is tried on 16 undefended networks; each is a target, with the others as
its shadows. Location-30 (446 binary columns, 30 classes, 15 epochs) and the digits of scikit-learn
(64 numbers, 10 classes, 30 epochs), which can also be shown shifted, so that attacks by several
queries join. Attacks along the training see five of its epochs. The breast-cancer table of
scikit-learn was tried and is too small: its networks are 97 % right, attacks have an AUC of .51 to
.55, each within .02 to .03, and so no order. Attacks that cannot be made are named below the table,
with the reason. Label-only attackers may ask 137 labels of an example for the boundary and 50 for
noise, fewer than by default.

Result (docs/findings.md): LiRA and BaVarIA-t lead on both. Nine minutes on two busy CPU cores.
"""

from dataclasses import replace
from pathlib import Path

import click

from pptp_jax import report
from pptp_jax.attacks import ATTACKS
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Balanced, Digits, Npz
from pptp_jax.evaluation import RecipeResult, RunResults
from pptp_jax.fleets import Runtime
from pptp_jax.models import mlp
from pptp_jax.report.attack_figure import by_auc, draw_attacks
from pptp_jax.report.page.words import attack_name, attack_needs
from pptp_jax.report.progress import progress_bar
from pptp_jax.report.table import cell
from pptp_jax.signals import IDENTITY, shift
from pptp_jax.storage.files import write_text
from pptp_jax.study import Probes, Study, run
from pptp_jax.training import SGD, undefended

location30 = Study(
    name="location30",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    reference=500,
    trajectory=(1, 2, 3, 5, 8),
    attacks=tuple(ATTACKS),
    combine=False,
    probes=Probes(boundary_queries=137, boundary_iterations=3, noise_draws=50),
    recipes=(undefended(15),),
)
digits = replace(
    location30,
    name="digits",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    queries=(IDENTITY, shift(1, 0)),
    reference=300,
    trajectory=(1, 2, 4, 8, 16),
    recipes=(undefended(30),),
)
HEADINGS = {"location30": "Location-30", "digits": "digits, as they are and shifted"}


def quick(study: Study) -> Study:
    """The same on little data."""
    few = Probes(boundary_queries=70, boundary_iterations=1, noise_draws=3)
    return replace(
        study,
        split=Balanced(models=6),
        examples=360,
        reference=60,
        trajectory=(1, 2, 3),
        probes=few,
        resamples=50,
        recipes=(undefended(5),),
    )


def table(rows: dict[str, RecipeResult]) -> str:
    """AUC and TPR of each attack, the strongest first, and what was not possible."""
    lines = []
    for heading, row in rows.items():
        lines += ["", f"{heading}: accuracy {cell(row.utility)}", ""]
        for name in by_auc(row):
            found = row.attack(name)
            lines.append(
                f"  {attack_name(name):<36}{cell(found.auc):<24}{cell(found['tpr@0.01']):<24}"
                f"{attack_needs(name)}"
            )
        lines += ["", *(f"  not possible: {note}" for note in row.notes)]
    return "\n".join(lines)


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--quick", "small", is_flag=True)
def main(data: Path, small: bool) -> None:
    """Trains, attacks, draws."""
    home, rows = Path("runs") / ("all_attacks_quick" if small else "all_attacks"), {}
    with errors_as_sentences(resumable=True):
        for study in (replace(location30, data=Npz(data)), digits):
            chosen = quick(study) if small else study
            with progress_bar(chosen.recipes, chosen.split.models) as shown:
                runtime = Runtime(on_progress=shown, log=click.echo)
                results = RunResults.from_json(run(chosen, home / study.name, runtime=runtime))
            report.draw_figures(results, home / study.name)
            report.write_report(home / study.name)
            [row] = results.rows
            rows[f"{HEADINGS[study.name]}: {results.models} networks, {row.epochs} epochs"] = row
        title = "Every attack on the same networks, with 95 % intervals over targets and examples"
        draw_attacks(rows, home / "all_attacks.png", title)
        write_text(home / "all_attacks.txt", table(rows) + "\n")
    click.echo(table(rows))


if __name__ == "__main__":
    main()
