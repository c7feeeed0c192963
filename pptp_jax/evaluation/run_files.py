"""Read the files of a run directory; damaged or foreign ones are refused with a message."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.riskiest_tokens import NUMBERS
from pptp_jax.evaluation.schema import Damaged
from pptp_jax.storage.kinds import kind_name, kind_of
from pptp_jax.validation import Refused

AGAIN = "run the study into this directory again: what it has trained is used again"


def read_results(directory: Path) -> RunResults | None:
    """Reads `results.json`, of any version; None if there is none.

    Raises:
        ValueError: if it is damaged, or no results of ours.

    Examples:
        >>> import tempfile
        >>> from pptp_jax.evaluation import RecipeResult
        >>> from pptp_jax.storage.files import write_json
        >>> results = RunResults(rows=(RecipeResult(slug="undefended_3"),), seed=1)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     write_json(Path(directory) / "results.json", results.to_json())
        ...     read_results(Path(directory)) == results
        True
    """
    path = directory / "results.json"
    record = _read_json(path)
    try:
        return None if record is None else RunResults.from_json(record)
    except Damaged as error:
        raise Refused(f"{path} is damaged ({error}); {AGAIN}") from error


def read_study_results(directory: Path) -> RunResults:
    """The results of a finished run of a study.

    Raises:
        ValueError: if the directory holds none, or one that is damaged or of another kind.
    """
    results = read_results(directory) if directory.is_dir() else None
    if results is None:
        raise Refused(f"{directory} has no results.json: give the directory of a finished run")
    kind = kind_of(directory)
    if kind != "study":
        raise Refused(
            f"{directory} holds {kind_name(kind)}, and no run of a study: `pptp run` makes one"
        )
    return results


def read_risk_map(directory: Path) -> dict[str, Any] | None:
    """The content of `risk_map.json`; None if there is none.

    Raises:
        ValueError: if it is damaged, or no risk map.
    """
    risks = _read_json(directory / "risk_map.json")
    if risks is not None and not {"blocks", "cuts", "setting"} <= set(risks):
        raise Refused(f"{directory / 'risk_map.json'} is not the record of a risk map")
    return risks


def read_canaries(directory: Path) -> dict[str, Any] | None:
    """The content of `audit.json`, an audit by canaries; None if there is none.

    Raises:
        ValueError: if it is damaged, or no such audit.
    """
    found = _read_json(directory / "audit.json")
    if found is not None and not {"rows", "canaries", "runs", "places"} <= set(found):
        raise Refused(f"{directory / 'audit.json'} is not the record of an audit by canaries")
    return found


class Scores(NamedTuple):
    """The scores of an attack on a recipe's targets.

    Attributes:
        scores: those of each pair.
        membership: whether a pair is a member.
        examples: the numbers of the examples.
        targets: the numbers of the models.
        ids: the names of the examples, if the data have names.
    """

    scores: Float[np.ndarray, "targets examples"]
    membership: Bool[np.ndarray, "targets examples"]
    examples: Int[np.ndarray, " examples"]
    targets: Int[np.ndarray, " targets"]
    ids: Shaped[np.ndarray, " examples"] | None = None


def read_scores(directory: Path, slug: str, attack: str) -> Scores | None:
    """The scores of an attack on a recipe; None if no scores are stored.

    Raises:
        ValueError: if the file is damaged or lacks the attack.
    """
    names = (attack, "membership", "examples", "targets")
    found = _read_arrays(directory / "scores" / f"{slug}.npz", names, optional=("ids",))
    if found is None:
        return None
    given = Scores(*(found[name] for name in names))
    return given._replace(ids=found.get("ids"))


class Stop(NamedTuple):
    """A recipe, stopped on its way.

    Attributes:
        epochs: how many it had learned.
        scores: what an attack makes of its targets.
        utility: how good the targets' answers are.
    """

    epochs: int
    scores: Scores
    utility: Shaped[np.ndarray, "targets examples"]


def read_stops(directory: Path, slug: str, attack: str) -> list[Stop]:
    """The stops of a recipe on which the attack was made, the earliest first.

    Raises:
        ValueError: if a file is damaged.
    """
    found = []
    names = ("membership", "examples", "targets")
    for path in (directory / "scores" / slug).glob("*.npz"):
        arrays = _read_arrays(path, (*names, "utility"), optional=(attack,)) or {}
        if attack in arrays:
            scores = Scores(arrays[attack], *(arrays[name] for name in names))
            found.append(Stop(int(path.stem), scores, arrays["utility"]))
    return sorted(found, key=lambda stop: stop.epochs)


def read_riskiest(directory: Path) -> dict[str, np.ndarray] | None:
    """The arrays of `riskiest.npz`; None if there is none.

    Raises:
        ValueError: if the file is damaged.
    """
    path = directory / "riskiest.npz"
    names = ("slugs", "attack", "ids", "scores", "alarm_rates", "membership")
    tokens = ("tokens", "token_texts", "token_count", "token_models", "surest", "surest_score")
    return _read_arrays(path, names, optional=("labels", "pictures", *tokens, *NUMBERS))


def read_sample_pictures(directory: Path) -> dict[str, np.ndarray] | None:
    """The arrays of `samples.npz`; None if there is none.

    Raises:
        ValueError: if the file is damaged.
    """
    names = ("slugs", "distances", "ids", "pictures", "nearer")
    return _read_arrays(directory / "samples.npz", names)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
        json.dumps(found, allow_nan=False)  # Python reads NaN and infinity, which JSON has not
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:  # no text, or no JSON
        raise Refused(f"{path} is damaged ({error}); {AGAIN}") from error
    if not isinstance(found, dict):
        raise Refused(f"{path} is damaged (it holds no record); {AGAIN}")
    return found


def _read_arrays(
    path: Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file) as stored:
            known = [name for name in optional if name in stored]
            return {name: stored[name] for name in (*names, *known)}
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise Refused(f"{path} is damaged ({error}); {AGAIN}") from error
