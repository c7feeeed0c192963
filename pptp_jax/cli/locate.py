"""`pptp locate`."""

from pathlib import Path

import click

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import data_option, out_option, recipe_option, study_argument


@click.command()
@study_argument
@data_option
@out_option
@recipe_option("Take the defence of this recipe.")
@click.option("--epochs", type=int, help="Default: those of the study's recipe `undefended`.")
@click.option(
    "--retrain",
    type=int,
    default=4,
    show_default=True,
    help="Epochs for which each region is trained alone; 0 for none.",
)
@click.option(
    "--budget",
    type=float,
    help="The most accuracy that protecting the region found here may cost; default: the study's.",
)
def locate(
    study: Path,
    data: Path | None,
    out: Path | None,
    recipes: tuple[str, ...],
    epochs: int | None,
    retrain: int,
    budget: float | None,
) -> None:
    """Find which layers of a network leak most.

    Makes a risk map of the network of STUDY. A block is a layer or a few, a cut lies between two
    blocks. For each block and each cut it resets, swaps or retrains the weights, and reports the
    change in utility and in the AUC of attacks.

    Prints a table; writes risk_map.json, risk_map.txt and risk_map.png into OUT, and report.html.
    """
    from pptp_jax import report
    from pptp_jax import study as studies
    from pptp_jax.cli.interrupt import Interruption
    from pptp_jax.study.load import importable_beside
    from pptp_jax.study.locate import locate_study

    interruption = Interruption()
    with errors_as_sentences(code=lambda: interruption.exit_code), importable_beside(study):
        chosen = studies.load_study(study)
        chosen = studies.narrowed(chosen, data, recipes)
        directory = out or Path("runs") / chosen.name
        with interruption:  # nothing is saved on the way, so a signal is granted at once
            risks = locate_study(
                *(chosen, directory), epochs=epochs, retrain=retrain, budget=budget, file=study
            )
    with errors_as_sentences():
        page = report.write_report(directory)
    click.echo(report.render_risk_map(risks))
    click.echo(f"{risks['seconds']:.0f} s on {risks['device']}; the report is {page}")
