"""The files of an audit of signals: scores, probabilities, results and the report."""

import os
import shutil
from pathlib import Path

import numpy as np

from pptp_jax.audit.audit_report import AuditReport
from pptp_jax.audit.readme import signals_readme
from pptp_jax.audit.user_signals import Given
from pptp_jax.evaluation import AttackResults
from pptp_jax.evaluation.combination import Combined, write_combined
from pptp_jax.evaluation.results import RunResults
from pptp_jax.report import draw_attack_rocs, render_audit, write_report
from pptp_jax.storage.files import write_arrays, write_json, write_text
from pptp_jax.storage.report_files import remove_report


def write_audit(
    results: RunResults,
    seen: AttackResults,
    together: Combined,
    handed: Given,
    report: AuditReport,
) -> None:
    """Writes the directory of an audit of signals.

    Args:
        results: all numbers.
        seen: the attacks.
        together: the attacks, combined.
        handed: what was attacked.
        report: with the directory.
    """
    out, record = Path(str(report.out)), results.to_json()
    # It vouches for all that lies beside it.
    (out / "results.json").unlink(missing_ok=True)
    remove_report(out)
    manifest = {key: part for key, part in record.items() if key not in ("rows", "seconds")}
    # Files in the command are seen from here.
    here = os.path.relpath(Path.cwd(), out.resolve())
    write_json(out / "manifest.json", {"kind": "signals", "cwd": here} | manifest)
    slug, examples = results.rows[0].slug, np.arange(seen.membership.shape[1])
    arrays = {"targets": seen.targets, "examples": examples, "membership": seen.membership}
    if handed.owners is not None:
        arrays["owners"] = handed.owners
    ids = examples if report.ids is None else np.array(report.ids)
    if report.ids is not None:
        arrays["ids"] = ids
    write_arrays(out / "scores" / f"{slug}.npz", arrays | dict(seen.scores))
    shutil.rmtree(out / "combined", ignore_errors=True)
    write_combined(
        out / "combined",
        slug,
        together,
        seen.membership,
        seen.targets,
        examples=examples,
        ids=ids,
        labels=handed.labels,
    )
    write_json(out / "results.json", record)
    write_text(out / "table.txt", f"{render_audit(results)}\n")
    write_text(out / "README.md", signals_readme(record))
    draw_attack_rocs(results, out)
    write_report(out)
