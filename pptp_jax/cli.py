"""The `pptp` command; what is slow to import is imported when a command needs it."""

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from pptp_jax.processes import Processes
    from pptp_jax.study.run import Chooser
    from pptp_jax.training.strategy import Order

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pptp-jax")
@click.option(
    "--cache/--no-cache",
    default=True,
    help="Keep compiled programs and measured strategies for the next run, in the user's cache "
    "directory (the default); $JAX_COMPILATION_CACHE_DIR puts the programs elsewhere.",
)
@click.pass_context
def main(context: click.Context, cache: bool) -> None:
    """Train by regions, attack, and see what membership privacy costs."""
    # JAX reads these when it is imported, which no command has done yet.
    if not cache:
        os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return
    from platformdirs import user_cache_path

    context.obj = user_cache_path("pptp_jax")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(context.obj / "compiled"))
    # A study compiles many programs of less than the second from which JAX would keep one.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")


@main.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Where the study's data lie.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default: runs/NAME of the study.",
)
@click.option("--recipe", "recipes", multiple=True, help="Only this recipe; may be repeated.")
@click.option("--compared", help="Compare recipes at equal strength of this attack.")
@click.option(
    "--strategy",
    type=click.Choice(["measured", "vmap", "scan", "unrolled"]),
    default="measured",
    show_default=True,
    help="How the models of a fleet are trained: all at once, or one after another.",
)
@click.option("--devices", type=int, help="Over how many devices; default: all that are no CPU.")
@click.option(
    "--resume/--no-resume", default=True, help="Go on from what OUT holds already (the default)."
)
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
    help="Seconds after which a silent process counts as dead, and the others stop.",
)
@click.pass_obj
def run(
    cache: Path | None,
    study: Path,
    data: Path | None,
    out: Path | None,
    recipes: tuple[str, ...],
    compared: str | None,
    strategy: str,
    devices: int | None,
    resume: bool,
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    patience: float,
) -> None:
    """Train, attack and report STUDY, a Python file that defines `study`.

    Prints a table; writes report.html, results.json, table.txt, figures, signals/ and scores/ into
    OUT.
    """
    from pptp_jax import report
    from pptp_jax import study as studies
    from pptp_jax.files import write
    from pptp_jax.interruption import Interruption
    from pptp_jax.locate_study import with_regions_found
    from pptp_jax.progress import progress_bar

    interruption = Interruption()
    try:
        with _shared(distributed, coordinator, processes, process, patience) as shared:
            chosen = studies.load_study(study)
            chosen = studies.narrowed(chosen, data, recipes, compared)
            directory = out or Path("runs") / chosen.name
            shared.check_shared(directory)
            if shared.count > 1:  # process 0 makes the risk map; the others read it
                shared.agree(lambda: with_regions_found(chosen, directory)[1])
            chosen, found = with_regions_found(chosen, directory)
            choose = _chooser(strategy, devices, cache)
            models = -(-chosen.split.models // shared.count)
            bar = progress_bar(chosen.recipes, models, shown=shared.first)
            with interruption, bar as on_progress:
                results = studies.run(
                    chosen,
                    directory,
                    strategy=choose,
                    resume=resume,
                    command=_command("run", study, data=data, recipe=recipes, compared=compared),
                    on_progress=on_progress,
                    stop=interruption.asked,
                    tell=partial(click.echo, err=True),
                    processes=shared,
                )
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        goes_on = "; once there is space, the same command goes on from here" if full else ""
        raise click.ClickException(f"{error}{goes_on}") from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on from here", err=True)
        sys.exit(interruption.exit_code)
    if not shared.first:
        return
    parts = [found, report.render_table(results), report.render_white_box(results)]
    if results["comparisons"]:
        parts.append(report.render_comparison(results["comparisons"]))
    table = "\n".join(filter(None, parts))
    write(directory / "table.txt", lambda file: file.write(table.encode() + b"\n"))
    report.draw_figures(results, directory)
    click.echo(table)
    page = _write_report(directory)
    click.echo(f"{results['seconds']:.0f} s on {results['device']}; the report is {page}")


@contextmanager
def _shared(
    distributed: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    patience: float,
) -> Iterator["Processes"]:
    """The processes that an invocation asks for."""
    from pptp_jax.joining import joined
    from pptp_jax.processes import Processes

    explicit = coordinator, processes, process
    if not distributed and explicit == (None, None, None):
        yield Processes()
        return
    if distributed and explicit != (None, None, None):
        raise click.UsageError(
            "--distributed finds the processes in the environment; leave it out, or leave out "
            "--coordinator, --processes and --process"
        )
    if not distributed and None in explicit:
        raise click.UsageError("--coordinator, --processes and --process go together")
    if process is not None and processes is not None and process >= processes:
        raise click.UsageError(
            f"--process counts from 0, so it is at most {processes - 1} of {processes} processes, "
            f"got {process}"
        )
    with joined(*explicit, patience=patience) as shared:
        yield shared


def _chooser(order: str, devices: int | None, cache: Path | None) -> "Chooser":
    import jax

    from pptp_jax import study as studies
    from pptp_jax.training import Strategy

    if devices is None:
        devices = 1 if jax.default_backend() == "cpu" else jax.local_device_count()
    if order == "measured":
        memory = None if cache is None else cache / "strategies.json"
        tell = partial(click.echo, err=True)
        return partial(studies.measured_strategy, memory=memory, devices=devices, tell=tell)
    fixed = Strategy(order=cast("Order", order), devices=devices)
    return lambda study, data: fixed


@main.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Where the study's data lie.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default: runs/NAME of the study.",
)
@click.option("--recipe", "recipes", multiple=True, help="Take the defence of this recipe.")
@click.option("--epochs", type=int, help="Default: those of the study's recipe `undefended`.")
@click.option(
    "--retrain",
    type=int,
    default=4,
    show_default=True,
    help="Epochs for which each region is trained alone; 0 for none.",
)
@click.option(
    "--budget", type=float, help="The most accuracy that `auto` may cost; default: the study's."
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
    """Find where in the network of STUDY membership can be read off: its risk map.

    Prints a table; writes risk_map.json, risk_map.txt and risk_map.png into OUT, and report.html
    anew.
    """
    from pptp_jax import report
    from pptp_jax import study as studies
    from pptp_jax.locate_study import locate_study

    try:
        chosen = studies.load_study(study)
        chosen = studies.narrowed(chosen, data, recipes)
        directory = out or Path("runs") / chosen.name
        risks = locate_study(chosen, directory, epochs=epochs, retrain=retrain, budget=budget)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    click.echo(report.render_risk_map(risks))
    page = _write_report(directory)
    click.echo(f"{risks['seconds']:.0f} s on {risks['device']}; the report is {page}")


@main.command()
@click.argument("audit", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Where the audit's data lie.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default: runs/NAME of the audit.",
)
def canaries(audit: Path, data: Path | None, out: Path | None) -> None:
    """Bound ε from below by canaries: AUDIT is a Python file that defines `audit`.

    Prints a table; writes audit.json, audit.txt and scores/ into OUT.
    """
    from dataclasses import replace

    from pptp_jax.audit import CanaryAudit, run_canaries
    from pptp_jax.files import write
    from pptp_jax.progress import progress_bar
    from pptp_jax.report import render_canaries
    from pptp_jax.study.load import load_defined

    try:
        chosen = load_defined(audit, "audit", CanaryAudit)
        if data is not None:
            chosen = replace(chosen, data=chosen.data.at(data))
        directory = out or Path("runs") / chosen.name
        with progress_bar(chosen.recipes, chosen.runs) as on_progress:
            results = run_canaries(chosen, directory, on_progress=on_progress)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    table = render_canaries(results)
    write(directory / "audit.txt", lambda file: file.write(table.encode() + b"\n"))
    click.echo(table)
    click.echo(f"{results['seconds']:.0f} s on {results['device']}; results in {directory}")


@main.command()
@click.option("--signals", type=_FILE, required=True, help="`logits` or others, and `labels`.")
@click.option("--membership", type=_FILE, required=True, help="Who trained on what.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default: runs/NAME of the signals' file.",
)
@click.option("--attack", "attacks", multiple=True, help="Only this attack; may be repeated.")
@click.option(
    "--resamples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Bootstrap resamples behind each interval.",
)
def audit(
    signals: Path, membership: Path, out: Path | None, attacks: tuple[str, ...], resamples: int
) -> None:
    """Attack models that were trained elsewhere, by what they answered.

    Both are .npz files; docs/audits.md says which arrays there can be. Prints a table; writes
    report.html, results.json, table.txt, roc.png and scores/ into OUT.
    """
    from pptp_jax.attacks import ATTACKS
    from pptp_jax.audit import audit_signals, read_given
    from pptp_jax.report import render_attacks

    directory = out or Path("runs") / signals.stem
    try:
        given = read_given(*dict.fromkeys((signals, membership)))
        options = {"signals": signals, "membership": membership, "attack": attacks}
        results = audit_signals(
            **given,
            attacks=attacks or tuple(ATTACKS),
            name=signals.stem,
            out=directory,
            command=_command("audit", **options, resamples=resamples),
            resamples=resamples,
        )
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(render_attacks(results))
    page = directory / "report.html"
    click.echo(f"{results['seconds']:.0f} s on {results['device']}; the report is {page}")


@main.command("report")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def report_command(directory: Path) -> None:
    """Write the report of the run in DIR anew, from what is stored there.

    Trains nothing; writes report.html, one file for people, and report.json, the same for machines.
    """
    click.echo(_write_report(directory))


def _write_report(directory: Path) -> Path:
    from pptp_jax.report import write_report

    try:
        return write_report(directory)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _command(*arguments: object, **options: object) -> str:
    """A command as it is typed."""
    words = ["pptp", *map(str, arguments)]
    for option, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += [] if one is None else [f"--{option}", str(one)]
    return shlex.join(words)
