"""How fast is an accelerator with our fleets? One command for a machine with nothing else.

It needs jax, flax, optax and, for what is compared, PyTorch; nothing is fetched or installed. Each
step runs in a process of its own with a budget, the most valuable first; what a step leaves of its
time goes to those behind it. A step that hangs or fails is ended and loses only what it had not
measured. After every step the JSON is written, entirely or not at all, and the command ends within
`--minutes` whatever happens.

    PYTHONPATH=. python benchmarks/accelerator.py --minutes 9 --data FILE.npz --json FILE
        [--steps machine convolutions ...] [--network NAME] [--emails DIR] [--out DIR] [--rehearse]

`accelerator_data.py` makes FILE.npz. The step `cifar10` runs `experiments/cifar10_gpu.py` in DIR,
which a later call goes on with; without `--out` its models are lost. The step `emails` runs
`experiments/emails.py` likewise, only where it is named, on the e-mails of `--emails DIR`; it also
needs gguf, tokenizers and the weights that the study names. `--rehearse` runs all steps in
miniature on a CPU, to see that they run; its figures mean nothing.
"""

import argparse
import datetime
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerator_steps.comparison import over_pytorch
from accelerator_steps.plan import LEAST, STEPS, Step, limits
from accelerator_steps.process import Outcome, environment, read, run

from pptp_jax.storage.files import write_json

# For starting Python, for processes that are slow to die, and for writing.
RESERVE = 6.0


class Results:
    """What is known so far, and the file that holds it.

    Args:
        steps: those that are to be run.
        options: the command line's.
    """

    def __init__(self, steps: Sequence[Step], options: argparse.Namespace) -> None:
        self.path = options.json
        self.rows: list[dict[str, Any]] = []
        self.known: dict[str, Any] = {
            "benchmark": "accelerator",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": {"cores": os.cpu_count(), "versions": {"python": platform.python_version()}},
            "minutes": options.minutes,
            # What answers another question than the command without it, for `history.py`.
            "arguments": ["--rehearse"] * options.rehearse + ["--network", options.network],
            "rows": [],
            "skipped": {step.name: "not reached" for step in steps},
            "notes": {},
            "seconds": {},
        }

    def add(self, step: Step, found: Outcome, seconds: float) -> None:
        """Takes in what a step has left, and writes everything."""
        self.rows += found.rows
        self.known["rows"] = self.rows + over_pytorch(self.rows)
        self.known["machine"] |= found.machine
        self.known["seconds"][step.name] = round(seconds, 1)
        if found.notes:
            self.known["notes"][step.name] = found.notes
        if found.skipped is None:
            del self.known["skipped"][step.name]
        else:
            self.known["skipped"][step.name] = found.skipped
            print(f"skipped: {found.skipped}", flush=True)
        if self.path:
            write_json(self.path, self.known)


def measure(steps: Sequence[Step], options: argparse.Namespace, begun: float) -> Results:
    """Runs the steps and writes the results after each.

    Args:
        steps: in their order.
        options: the command line's.
        begun: when the command began, by the monotonic clock.
    """
    results, env = Results(steps, options), environment(options.rehearse)
    ends = limits(steps, 60 * options.minutes - RESERVE)
    with tempfile.TemporaryDirectory() as scratch:
        for step, end in zip(steps, ends, strict=True):
            started = time.monotonic()
            seconds = end - (started - begun)
            if seconds < LEAST:
                results.add(step, Outcome(skipped="no time was left"), 0.0)
                continue
            print(f"\n== {step.name}: at most {seconds:.0f} s", flush=True)
            lines = Path(scratch) / f"{step.name}.jsonl"
            try:
                found = run(_command(step, options, lines, seconds), lines, seconds, env)
            except BaseException:
                found = read(lines)
                found.skipped = "interrupted"
                raise
            finally:
                results.add(step, found, time.monotonic() - started)
    return results


def _command(step: Step, options: argparse.Namespace, lines: Path, seconds: float) -> list[str]:
    command = [sys.executable, "-m", "accelerator_steps", step.name, "--lines", str(lines)]
    command += ["--seconds", f"{seconds:.1f}", "--network", options.network]
    out = options.out.resolve() if options.out else lines.with_suffix("")
    command += ["--out", str(out)]
    if options.data:
        command += ["--data", str(options.data.resolve())]
    if options.emails:
        command += ["--emails", str(options.emails.resolve())]
    return command + ["--rehearse"] * options.rehearse


def main() -> None:
    """Measures, prints and stores."""
    begun = time.monotonic()
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="for all of it; default: 9")
    parser.add_argument("--data", type=Path, metavar="FILE.npz", help="images: uint8 x, and y")
    parser.add_argument("--emails", type=Path, metavar="DIR", help="e-mails, of the step `emails`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to store the results")
    parser.add_argument("--steps", nargs="+", choices=names, help="default: all but `emails`")
    parser.add_argument(
        "--network", default="cnn", help="of the step on images: a function of pptp_jax.models"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where a study goes on; default: lost"
    )
    parser.add_argument("--rehearse", action="store_true", help="all in miniature, on a CPU")
    options = parser.parse_args()
    if 60 * options.minutes <= RESERVE + LEAST:
        parser.error(f"--minutes must be more than {(RESERVE + LEAST) / 60:.2f}")
    if options.emails and not options.emails.is_dir():
        parser.error(f"--emails: there is no folder {options.emails}")
    if options.data and not options.data.is_file():
        parser.error(f"--data: there is no file {options.data}; accelerator_data.py makes one")
    # What would end this process at once must end the running step, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    steps = [step for step in STEPS if options.rehearse or not step.alone]
    if options.steps:
        steps = [step for step in STEPS if step.name in options.steps]
    if options.json:
        try:
            write_json(options.json, Results(steps, options).known)
        except OSError as error:
            parser.error(f"--json {options.json}: {error}")
    results = measure(steps, options, begun)
    print()
    for step, why in results.known["skipped"].items():
        print(f"skipped {step}: {why}")
    print(f"{len(results.known['rows'])} rows in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
