"""`pptp run`."""

import os
from pathlib import Path

import click

from pptp_jax.cli.command_line import typed
from pptp_jax.cli.distributed_options import shared_work
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.cli.executor_option import executor_option, own_workers
from pptp_jax.cli.options import data_option, out_option, recipe_option, study_argument
from pptp_jax.cli.output import log, terminal_width
from pptp_jax.cli.strategy_option import chooser, compiled_orders, probed


@click.command()
@study_argument
@data_option
@out_option
@recipe_option("Only this recipe; may be repeated.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the study: models=8, model.dropout=0.1, recipes.freeze.epochs=2+8; may be "
    "repeated.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be trained; write nothing.")
@click.option(
    "--compile-for",
    "pod",
    metavar="KIND:GRID",
    help="Say what the compiler of a TPU pod (v5e:4x4) makes of the study: what fits a chip, what "
    "a step moves; needs no TPU, writes nothing.",
)
@click.option("--compared", help="Compare recipes at equal strength of this attack.")
@click.option(
    "--strategy",
    type=click.Choice(["measured", "vmap", "scan", "unrolled"]),
    default="measured",
    show_default=True,
    help="How the models of a fleet are trained: all at once, or one after another.",
)
@click.option("--devices", type=int, help="Number of devices (default: all accelerators).")
@click.option(
    "--data-devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Devices per model, which share its batches; --devices is then the number of such groups.",
)
@click.option(
    "--resume/--no-resume", default=True, help="Go on from what OUT holds already (the default)."
)
@executor_option
@click.option(
    "--distributed",
    is_flag=True,
    help="Share the work with the other processes of this TPU pod, SLURM step or Open MPI job.",
)
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    help="Share it with processes elsewhere: a free port of process 0.",
)
@click.option("--processes", type=click.IntRange(min=1), help="How many; with --coordinator.")
@click.option("--process", type=click.IntRange(min=0), help="Which one this is, from 0.")
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Heartbeat timeout in seconds, after which the others stop.",
)
@click.pass_obj
def run(
    cache: Path | None,
    study: Path,
    data: Path | None,
    out: Path | None,
    recipes: tuple[str, ...],
    changes: tuple[str, ...],
    dry_run: bool,
    pod: str | None,
    compared: str | None,
    strategy: str,
    devices: int | None,
    data_devices: int,
    resume: bool,
    executor: str | None,
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    patience: float,
) -> None:
    """Train models, attack them, write a report.

    STUDY is a Python file that defines `study`, or `quickstart`, which comes with the package. By
    each of its recipes, which are ways to train, it trains many models: a fleet.

    Prints a summary. Writes report.html, results.json, table.txt, figures, signals/ and scores/
    into OUT, and README.md, which describes each file.
    """
    joined = distributed or (coordinator, processes, process) != (None, None, None)
    if pod is not None:
        if dry_run or joined or executor is not None:
            raise click.UsageError(
                "--compile-for trains nothing and needs one process: leave out --dry-run, "
                "--executor, --distributed, --coordinator, --processes and --process"
            )
        # JAX reads it when it is imported: no accelerator is touched.
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from pptp_jax import report
    from pptp_jax import study as studies
    from pptp_jax.cli.interrupt import Interruption
    from pptp_jax.evaluation.results import RunResults
    from pptp_jax.fleets import Runtime
    from pptp_jax.report.progress import progress_bar
    from pptp_jax.storage.files import write
    from pptp_jax.study.load import importable_beside
    from pptp_jax.study.locate import with_regions_found

    if pod is not None:
        with errors_as_sentences(), importable_beside(study):
            chosen = studies.narrowed(studies.load_study(study), data, recipes, compared)
            chosen = studies.overridden(chosen, changes)
            of_chips = studies.compile_for(
                chosen,
                pod,
                orders=compiled_orders(strategy),
                devices=devices,
                data_devices=data_devices,
                log=log,
            )
        click.echo(report.render_chip_forecast(of_chips))
        return
    if executor is not None and joined:
        raise click.UsageError(
            "--executor hands groups of models to workers; --distributed, --coordinator, "
            "--processes and --process join processes that each train a part: leave out one or "
            "the other"
        )
    if dry_run:
        with errors_as_sentences(), importable_beside(study):
            chosen = studies.narrowed(studies.load_study(study), data, recipes, compared)
            chosen = studies.overridden(chosen, changes)
            how = probed(chosen, strategy, devices, data_devices)
            forecast = report.render_forecast(studies.forecast(chosen, *how), terminal_width())
        click.echo(forecast)
        return
    interruption = Interruption()
    with (
        errors_as_sentences(resumable=True, code=lambda: interruption.exit_code),
        importable_beside(study),
    ):
        together = data_devices > 1
        with shared_work(
            distributed, coordinator, processes, process, patience, together
        ) as shared:
            chosen = studies.narrowed(studies.load_study(study), data, recipes, compared)
            chosen = studies.overridden(chosen, changes)
            directory = out or Path("runs") / chosen.name
            shared.check_shared(directory)
            # Workers that cannot be had are missed before the search, which may take long. It saves
            # nothing on the way, so a signal ends it at once.
            with interruption, own_workers(executor) as workers:
                if shared.count > 1:  # process 0 makes the risk map; the others read it
                    shared.agree(lambda: with_regions_found(chosen, directory, file=study)[1])
                chosen, found = with_regions_found(chosen, directory, file=study)
                choose = chooser(strategy, devices, cache, data_devices)
                options = {"data": data, "recipe": recipes, "compared": compared, "set": changes}
                models = -(-chosen.split.models // shared.count)
                with progress_bar(chosen.recipes, models, shown=shared.first) as on_progress:
                    record = studies.run(
                        chosen,
                        directory,
                        runtime=Runtime(
                            processes=shared,
                            **workers,
                            resume=resume,
                            on_progress=on_progress,
                            stop=interruption.requested,
                            log=log,
                        ),
                        strategy=choose,
                        command=typed("run", study, **options),
                        file=study,
                    )
    if not shared.first:
        return
    results = RunResults.from_json(record)
    parts = [found, report.render_table(results), report.render_combined(results)]
    parts.append(report.render_owners(results))
    parts.append(report.render_white_box(results))
    parts.append(report.render_robustness(results))
    parts.append(report.render_samples(results))
    if results.comparisons:
        parts.append(report.render_comparison(results.comparisons))
    table = "\n".join(filter(None, parts))
    with errors_as_sentences():
        write(directory / "table.txt", lambda file: file.write(table.encode() + b"\n"))
        report.draw_figures(results, directory)
        page = report.write_report(directory)
    summary = report.render_summary(results, directory, terminal_width())
    click.echo("\n".join(filter(None, [found, summary])))
    spent = f"{results.seconds:.0f} s on {results.device}"
    click.echo(f"Report         {page} (table.txt: all attacks); {spent}")
