"""`pptp audit`."""

from pathlib import Path

import click

from pptp_jax.cli.command_line import typed
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.options import out_option
from pptp_jax.cli.output import terminal_width

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
# What each form of a record is attacked by unless attacks are named.
RANGED = ("loss", "lira_online", "lira_offline", "rmia_online", "rmia_offline")


@click.command()
@click.option("--signals", type=_FILE, required=True, help="`logits` or others, and `labels`.")
@click.option("--membership", type=_FILE, required=True, help="Who trained on what.")
@out_option
@click.option("--attack", "attacks", multiple=True, help="Only this attack; may be repeated.")
@click.option(
    "--range",
    "ranged",
    is_flag=True,
    help="The queries are forms of a record: was it used in any of them?",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Bootstrap resamples behind each interval.",
)
def audit(
    signals: Path,
    membership: Path,
    out: Path | None,
    attacks: tuple[str, ...],
    ranged: bool,
    resamples: int,
) -> None:
    """Attack your own models by stored outputs.

    The models are trained already, by any program. Signals and membership are .npz files;
    docs/audits.md says which arrays there can be. Prints a table; writes report.html, results.json,
    table.txt, roc.png, scores/ and combined/ into OUT, and README.md, which says what each file is.
    """
    from pptp_jax.attacks import ATTACKS, range_attack
    from pptp_jax.audit import AuditReport, audit_signals, read_given
    from pptp_jax.evaluation.results import RunResults
    from pptp_jax.report import render_audit

    directory = out or Path("runs") / signals.stem
    with errors_as_sentences():
        over_a_range = [range_attack(name) for name in attacks or RANGED] if ranged else []
        options = {"signals": signals, "membership": membership, "attack": attacks}
        options["range"] = ranged or None
        command = typed("audit", **options, resamples=resamples)
        given = read_given(*dict.fromkeys((signals, membership)))
        results = audit_signals(
            **given,
            attacks=(*(attacks or tuple(ATTACKS)), *over_a_range),
            report=AuditReport(directory, signals.stem, command),
            resamples=resamples,
        )
    page = directory / "report.html"
    click.echo(render_audit(RunResults.from_json(results), terminal_width()))
    spent = f"{results['seconds']:.0f} s on {results['device']}"
    click.echo(f"{spent}; the report is {page} (table.txt: all columns)")
