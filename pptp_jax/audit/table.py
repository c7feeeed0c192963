"""From a CSV table to a report: train target and shadow models on it, and attack them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pptp_jax.attacks import ATTACKS, attack_of
from pptp_jax.audit.audit_report import AuditReport
from pptp_jax.audit.earlier_report import check_earlier_report
from pptp_jax.audit.signals import audit_signals
from pptp_jax.audit.table_models import MLP, estimator_of
from pptp_jax.data import Balanced, Membership, Table, TableRows, draw_by_owner
from pptp_jax.fleets import FleetSpec, Runtime, estimator_fleet, fingerprint, run_fleet
from pptp_jax.models import mlp
from pptp_jax.report import render_columns
from pptp_jax.storage.kinds import check_kind
from pptp_jax.storage.record import describe
from pptp_jax.storage.units import duration
from pptp_jax.training import DEFAULT_OPTIMIZER, undefended
from pptp_jax.validation import Refused, at_least, fraction, given, positive, several
from pptp_jax.validation.field_types import check_fields

FEWEST_MODELS = 4
# Of a class with fewer rows, some model would have hardly any.
FEWEST_ROWS = 10
# The evidence of models of a table: one query for every row.
_READ = {"confidence", "correct", "inputs", "labels", "log_prob", "logits"}
_OF_QUERIES = {"augmentation", "lira_multivariate"}
TABLE_ATTACKS = tuple(
    name
    for name, attack in ATTACKS.items()
    if _READ >= {*map(str, attack.reads)} and name not in _OF_QUERIES
)
_HIDDEN, _EPOCHS, _BATCH = (128, 64), 60, 32


@dataclass(frozen=True, kw_only=True)
class TableAudit:
    """A table, and what is trained on it.

    Every row is in the training of half of the models, drawn by chance; with owners, all rows of an
    owner or none. Each model is attacked with all others as its shadows.

    Attributes:
        data: the table.
        model: `random_forest`, `boosted_trees` or `logistic` with scikit-learn's settings; `mlp`,
            our network 128-64 of 60 epochs; `module:name`; or an estimator or pipeline itself.
        models: how many are trained, even.
        attacks: which attacks are tried; by default all that can be made of a table.
        resamples: the bootstrap resamples behind each interval.
        seed: what membership, training and bootstrap depend on.
        least_probability: what the attacker takes smaller answers for; None is `EstimatorFleet`'s
            floor. Attacks on trees depend on it. It is not used of `mlp`.

    Raises:
        ValueError: if there are fewer than 4 models, an odd number, an attack is unknown or the
            least probability does not lie between 0 and 1.

    Examples:
        >>> TableAudit(data=Table("people.csv", target="ill"), models=3)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: models must be an integer of at least 4, got 3
    """

    data: Table
    model: Any = "random_forest"
    models: int = 16
    attacks: tuple[str, ...] = TABLE_ATTACKS
    resamples: int = 500
    seed: int = 0
    least_probability: float | None = None

    def __post_init__(self) -> None:
        several(attacks=self.attacks)
        check_fields(self)
        at_least(FEWEST_MODELS, models=self.models)
        at_least(1, resamples=self.resamples)
        at_least(0, seed=self.seed)
        positive(**given(least_probability=self.least_probability))
        fraction(**given(least_probability=self.least_probability))
        Balanced(self.models)
        most = self.models // 2 - 1  # of either kind, that every row has besides the target
        chosen = [attack_of(one) for one in self.attacks]
        if not any(
            one.name in TABLE_ATTACKS and max(one.min_in_shadows, one.min_out_shadows) <= most
            for one in chosen
        ):
            raise Refused(
                f"{', '.join(one.name for one in chosen)}: not possible of a table with "
                f"{self.models} models, of which every row has {most} IN and {most} OUT shadows: "
                f"train more models, or take one of {', '.join(TABLE_ATTACKS)}"
            )


class _Answers(NamedTuple):
    signals: Mapping[str, Float[np.ndarray, "models examples ..."]]
    recipe: Mapping[str, Any]


def audit_table(
    audit: TableAudit,
    report: AuditReport = AuditReport(),  # noqa: B008 - frozen
    *,
    jobs: int = 1,
    runtime: Runtime | None = None,
) -> dict[str, Any]:
    r"""Trains models on a table, attacks them, and reports.

    Args:
        audit: what is trained on what.
        report: where the report goes, and what it is called. Its directory keeps the answers of
            finished models in `models/`, from which the same call goes on.
        jobs: how many estimators are fitted at a time; the numbers do not depend on it.
        runtime: how the networks of `mlp` are executed; its `log` is also given how the columns
            are read, and when models are ready.

    Returns:
        What `results.json` holds, as of `audit_signals`. Of a target that is a number `config` has
        the mean squared errors on members and on non-members.

    Raises:
        ValueError: saying what is wrong, before anything is trained.

    Examples:
        >>> import tempfile
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> rng = np.random.default_rng(0)
        >>> path = Path(tempfile.mkdtemp()) / "people.csv"
        >>> rows = [f"{a:.3f},{b:.3f},{'no' if a < b else 'yes'}" for a, b in rng.random((80, 2))]
        >>> _ = path.write_text("age,income,ill\n" + "\n".join(rows))
        >>> audit = TableAudit(
        ...     data=Table(path, target="ill"), model=DecisionTreeClassifier(), models=4,
        ...     attacks=("loss", "lira_online"), resamples=20,
        ... )
        >>> [row] = audit_table(audit)["rows"]
        >>> row["train_utility"]["value"], row["utility"]["value"] < 1
        (1.0, True)
    """
    runtime = Runtime() if runtime is None else runtime
    out = report.directory
    if out is not None:
        check_kind(out, "signals")
    rows = audit.data.read()
    runtime.log(render_columns(audit.data, rows))
    _check_classes(audit, rows)
    check_earlier_report(report)
    drawn = _membership(audit, rows)
    own, data = drawn.evaluated, rows.data
    if len(own) < len(data):
        runtime.log(f"{len(data) - len(own)} of {len(data)} rows take part in no model")
    matrix = drawn.matrix[:, own]
    part = replace(data, x=data.x[own], y=data.y[own], ids=data.ids[own])
    chosen = rows._replace(data=part)
    home = None if out is None else out / "models"
    began = time.monotonic()
    if audit.model == MLP:
        found = _networks(audit, chosen, matrix, home, runtime)
    else:
        found = _estimators(audit, chosen, matrix, home, jobs, runtime.log)
    spent = duration(time.monotonic() - began)
    runtime.log(f"{audit.models} models are ready ({spent}); the attacks on them follow")
    config = {
        "data": _changed(audit.data),
        "columns": rows.kinds,
        "inputs": len(rows.inputs),
        "classes": list(rows.classes),
        "left_out": len(data) - len(own),
        "split": describe(Balanced(audit.models)),
        **found.recipe,
    }
    return audit_signals(
        found.signals,
        matrix,
        part.labels,
        attacks=audit.attacks,
        report=replace(report, data=data.name, ids=tuple(part.ids.tolist()), config=config),
        resamples=audit.resamples,
        seed=audit.seed,
        inputs=part.x,
        owners=None if rows.owners is None else rows.owners[own],
    )


def _changed(table: Table) -> dict[str, Any]:
    """The table as plain data, without what is as it is by default."""
    usual = describe(Table())
    told = describe(table).items()
    return {key: value for key, value in told if key == "type" or value != usual[key]}


def _check_classes(audit: TableAudit, rows: TableRows) -> None:
    data = rows.data
    if data.num_classes is None:
        if audit.model == MLP:
            raise Refused(
                f"the target {audit.data.target!r} is a number, and mlp answers with classes here: "
                "take random_forest, boosted_trees or a module:name, or a Study of Regression"
            )
        if len(data) < FEWEST_ROWS:
            raise Refused(f"{data.name}: {len(data)} rows are too few: give {FEWEST_ROWS} or more")
        return
    counts = np.bincount(data.y, minlength=data.num_classes)
    rare = int(counts.argmin())
    if counts[rare] < FEWEST_ROWS:
        raise Refused(
            f"{data.name}: the class {rows.classes[rare]!r} of {audit.data.target!r} has "
            f"{counts[rare]} rows, and each needs {FEWEST_ROWS} at least: leave its rows out, or "
            "join it with another class"
        )


def _membership(audit: TableAudit, rows: TableRows) -> Membership:
    split, examples = Balanced(audit.models), len(rows.data)
    if rows.owners is not None:
        return draw_by_owner(split, rows.owners, seed=audit.seed)
    if examples % 2 == 0:
        return split.draw(examples, audit.seed)
    left = np.random.default_rng(audit.seed).permutation(examples)[1:]
    return split.draw(examples - 1, audit.seed).spread(np.sort(left), examples)


def _networks(
    audit: TableAudit, rows: TableRows, matrix: Any, home: Path | None, runtime: Runtime
) -> _Answers:
    """Our own networks, whose logits are the signals."""
    from tempfile import TemporaryDirectory

    assert rows.data.num_classes is not None
    model = mlp(_HIDDEN, num_classes=rows.data.num_classes)
    spec = FleetSpec(
        model=model,
        recipe=undefended(_EPOCHS),
        data=rows.data,
        members=np.nonzero(matrix)[1].reshape(len(matrix), -1),
        optimizer=DEFAULT_OPTIMIZER,
        batch_size=min(_BATCH, int(matrix[0].sum())),
        seed=audit.seed,
        signals=(model.task.signal("logits"),),
    )
    key = fingerprint(spec)
    with TemporaryDirectory() as aside:
        fleet = run_fleet(spec, (home or Path(aside)) / f"mlp-{key[:12]}", runtime, key=key)
        logits = np.array(fleet.end["logits"])
    recipe = {"model": describe(model), "recipes": [MLP]}
    return _Answers({"logits": logits}, recipe | {"optimizer": describe(DEFAULT_OPTIMIZER)})


def _estimators(
    audit: TableAudit,
    rows: TableRows,
    matrix: Any,
    home: Path | None,
    jobs: int,
    log: Callable[[str], object],
) -> _Answers:
    """Estimators, whose probabilities or predictions are the signals."""
    classes = rows.data.num_classes is not None
    estimator = estimator_of(audit.model, classes=classes)
    x, y = rows.data.x, rows.data.y
    fleet = estimator_fleet(estimator, x, y, matrix, home=home, jobs=jobs, seed=audit.seed, log=log)
    name = audit.model if isinstance(audit.model, str) else type(estimator).__name__
    settings = {key: describe(value) for key, value in estimator.get_params().items()}
    shown = {"name": name, "estimator": " ".join(repr(estimator).split())}
    recipe: dict[str, Any] = {"model": shown, "parameters": settings, "recipes": [name]}
    if classes:
        if audit.least_probability is not None:
            fleet = fleet._replace(floor=audit.least_probability)
        recipe["least_probability"] = fleet.floor
        return _Answers({"logits": fleet.log_probabilities}, recipe)
    squares = (fleet.answers - y) ** 2
    inside, outside = float(squares[matrix].mean()), float(squares[~matrix].mean())
    recipe["mean_squared_error"] = {"members": inside, "nonmembers": outside}
    return _Answers({"residuals": fleet.answers - y}, recipe)
