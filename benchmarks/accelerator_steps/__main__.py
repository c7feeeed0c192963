"""One step, in a process of its own: `python -m accelerator_steps NAME --lines FILE ...`."""

import argparse
import math
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path

from accelerator_steps.plan import STEPS
from accelerator_steps.recorder import Recorder, Setting, Skip, short
from accelerator_steps.without_jaxtyping import stand_in

# The rest of a step's time is for ending what it has begun.
BEGIN_WITHIN = 0.8


def main() -> None:
    """Runs the step; leaves rows, notes and, where it could not go on, why."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=[step.name for step in STEPS])
    parser.add_argument("--lines", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--emails", type=Path)
    parser.add_argument("--network", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    # By the system, should the parent be killed: it ends a compiler that never returns, too.
    signal.alarm(math.ceil(given.seconds) + 5)
    stand_in()
    [step] = [one for one in STEPS if one.name == given.step]
    show = Recorder(given.lines, BEGIN_WITHIN * given.seconds)
    setting = Setting(
        rehearse=given.rehearse,
        data=given.data,
        emails=given.emails,
        network=given.network,
        out=given.out,
        options=step.options,
    )
    try:
        import_module(f"accelerator_steps.{step.module}").measure(show, setting)
    except Skip as why:
        show.line("skipped", str(why))
    except ModuleNotFoundError as error:
        show.line("skipped", f"needs {error.name}, which is not installed here")
    except Exception as error:
        traceback.print_exc()
        show.line("skipped", f"failed, {short(error)}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # no waiting for a compiler that was given up
