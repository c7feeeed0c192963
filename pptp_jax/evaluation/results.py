"""The results of a run as types: the content of `results.json`, of any version."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from pptp_jax.evaluation.form import check_form
from pptp_jax.evaluation.measure import Measure
from pptp_jax.evaluation.results_form import RESULTS, WHITE_BOX
from pptp_jax.evaluation.schema import Damaged, plain, read_estimate, typed, upgraded
from pptp_jax.metrics import UNRESOLVED, Estimate

SCHEMA = 2


@dataclass(frozen=True)
class AttackResult:
    """The metrics of one attack on one recipe.

    Attributes:
        metrics: by the names of `pptp_jax.metrics.metric_names`.

    Examples:
        >>> found = AttackResult({"auc": Estimate(0.7, 0.6, 0.8)})
        >>> found.auc.value, found["tpr@0.01"].value
        (0.7, None)
    """

    metrics: Mapping[str, Estimate] = field(default_factory=lambda: {"auc": UNRESOLVED})

    def __getitem__(self, metric: str) -> Estimate:
        """A metric; unresolved where it was not computed."""
        return self.metrics.get(metric, UNRESOLVED)

    @property
    def auc(self) -> Estimate:
        """The area under the ROC curve."""
        return self["auc"]


@dataclass(frozen=True, kw_only=True)
class RecipeResult:
    """A row of the results: the recipe, its utility, and the metrics of the attacks.

    Attributes:
        slug: a name for files, different for each recipe of a run.
        recipe: the recipe's name.
        region: that it treats apart; `-` without one.
        defence: the name of the defence objective; `none` without one.
        strength: that of the defence.
        release: what the model answers in place of its outputs.
        epochs: of each phase, joined by `+`; `-` where they are not known.
        utility: on non-members.
        train_utility: on members.
        attacks: by name.
        epsilon: the guarantee and what it rests on; None without one.
        diverged: the models that are left out.
        train_loss: the mean loss of each epoch.
        warnings: why its numbers say little.
        notes: sentences for the table.
        roc: the ROC of the compared attack with its band.
        calibrated: what the compared attack achieves at thresholds chosen on shadows.
        per_class: its metrics in each class; None where there are no classes.
        per_decile: its metrics by difficulty.
        agreement: whether attacks find the same members.
        stability: whether an attack finds a member again in another target.
        combined: what the attacks achieve together; None where they were not combined.
        owners: the metrics of the attacks on owners of several records; None without owners.
        regions: which parameters belong to which region.
        white_box: the attacks on each block's gradients and features.
        robustness: accuracies on disturbed inputs.
        sample_quality: what the samples of a generative model are worth, by the names of
            `SampleQuality`.
        predicted_bytes: the memory that was predicted for the training.

    Examples:
        >>> RecipeResult(slug="given").utility.value is None
        True
    """

    slug: str
    recipe: str = ""
    region: str = "-"
    defence: str = "none"
    strength: float | None = None
    release: str | None = None
    epochs: str = "-"
    utility: Estimate = UNRESOLVED
    train_utility: Estimate = UNRESOLVED
    attacks: Mapping[str, AttackResult] = field(default_factory=dict)
    epsilon: Mapping[str, Any] | None = None
    diverged: tuple[int, ...] = ()
    train_loss: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    roc: Mapping[str, Any] | None = None
    calibrated: Mapping[str, Any] | None = None
    per_class: tuple[Mapping[str, Any], ...] | None = None
    per_decile: tuple[Mapping[str, Any], ...] | None = None
    agreement: Mapping[str, Any] | None = None
    stability: Mapping[str, Any] | None = None
    combined: Mapping[str, Any] | None = None
    owners: Mapping[str, Any] | None = None
    regions: Mapping[str, Any] | None = None
    white_box: Mapping[str, Any] = field(default_factory=dict)
    robustness: Mapping[str, Any] = field(default_factory=dict)
    sample_quality: Mapping[str, Estimate] = field(default_factory=dict)
    predicted_bytes: int | None = None

    def attack(self, name: str) -> AttackResult:
        """The metrics of an attack; unresolved where it was not run."""
        return self.attacks.get(name, AttackResult())

    def to_json(self, measure: Measure) -> dict[str, Any]:
        """The row as plain data, its utility under the measure's name as well."""
        name = measure.name.replace(" ", "_")
        found = {own.name: plain(getattr(self, own.name)) for own in fields(self)}
        found["attacks"] = {key: plain(own.metrics) for key, own in self.attacks.items()}
        return found | {
            f"test_{name}": found["utility"],
            f"train_{name}": found["train_utility"],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The row that `to_json` wrote.

        Raises:
            Damaged: if something is missing, or no estimate.
        """
        if lacking := {"slug", "attacks"} - set(record):
            raise Damaged(f"a row lacks {min(lacking)}")
        given = {own.name: typed(record[own.name]) for own in fields(cls) if own.name in record}
        for key in ("utility", "train_utility"):
            if key in record:
                given[key] = read_estimate(record[key])
        given["attacks"] = {}
        for name, metrics in record["attacks"].items():
            if "auc" not in metrics:
                raise Damaged("an attack lacks auc")
            found = {metric: read_estimate(own) for metric, own in metrics.items()}
            given["attacks"][name] = AttackResult(found)
        return cls(**given)


@dataclass(frozen=True, kw_only=True)
class RunResults:
    """All results of a run, with its settings and versions.

    Attributes:
        rows: one a recipe.
        study: the name of the study or audit.
        compared: the attack by which recipes are compared.
        utility_name: what the task calls utility.
        higher_is_better: whether more of it is better.
        command: what a person types to get the same numbers.
        config: the study as plain data.
        data: name, number of examples and of classes, fingerprint.
        models: how many each recipe trains.
        targets: how many of them are attacked.
        members: how many examples each trains on; None where they differ.
        queries: the queries for each example, such as mirrored images.
        seed: of the study.
        versions: of packages.
        device: on which it ran.
        precision: in which models were trained, and what it rounds, as text.
        strategy: how models were trained side by side.
        processes: how many worked.
        seconds: how long it took.
        curves: of each method, its points.
        comparisons: of methods at equal attack strength.
        margins: of each setting with a region, by how much it lies above the hull of the methods
            without one.
        blind: of an audit, how well inputs and labels alone distinguish members; None if unknown.
        screen: of an audit of one model, what it shows without shadows.
        used_share: of an audit, the share of the data that each target used, by counting guesses.
        label_inference: of an audit, how often targets tell labels of members and of others.
        schema: the form of the record.

    Examples:
        >>> one = RecipeResult(slug="a", attacks={"loss": AttackResult()})
        >>> results = RunResults(rows=(one,), compared="loss")
        >>> RunResults.from_json(results.to_json()) == results
        True
        >>> results.to_json()["schema"], "test_accuracy" in results.to_json()["rows"][0]
        (2, True)
    """

    rows: tuple[RecipeResult, ...]
    study: str = "membership"
    compared: str = ""
    utility_name: str = "accuracy"
    higher_is_better: bool = True
    command: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    models: int | None = None
    targets: int | None = None
    members: int | None = None
    queries: tuple[str, ...] = ()
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str | None = None
    precision: str | None = None
    strategy: Mapping[str, Any] | None = None
    processes: int | None = None
    seconds: float | None = None
    curves: tuple[Mapping[str, Any], ...] = ()
    comparisons: tuple[Mapping[str, Any], ...] = ()
    margins: tuple[Mapping[str, Any], ...] = ()
    blind: Mapping[str, Any] | None = None
    screen: Mapping[str, Any] | None = None
    used_share: Mapping[str, Any] | None = None
    label_inference: Mapping[str, Any] | None = None
    schema: int = SCHEMA

    @property
    def measure(self) -> Measure:
        """The utility of this run's task."""
        return Measure(self.utility_name, self.higher_is_better)

    @property
    def attacks(self) -> tuple[str, ...]:
        """The attacks that were made on any recipe."""
        return tuple(dict.fromkeys(attack for row in self.rows for attack in row.attacks))

    def to_json(self) -> dict[str, Any]:
        """The content of `results.json`."""
        found = {own.name: plain(getattr(self, own.name)) for own in fields(self)}
        return found | {"rows": [row.to_json(self.measure) for row in self.rows]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The results that `to_json` or an earlier version wrote.

        Raises:
            Damaged: naming what is wrong.
        """
        if not _are_rows(record.get("rows")):
            raise Damaged("it holds no rows, so it is not the record of a run")
        check_form(record, RESULTS)
        record = upgraded(record, SCHEMA)
        for row in record["rows"]:
            check_form(row.get("white_box", {}), WHITE_BOX, "white_box")
        known = {own.name: typed(record[own.name]) for own in fields(cls) if own.name in record}
        # What is not known may be missing or None.
        given = {key: value for key, value in known.items() if value is not None}
        rows = tuple(map(RecipeResult.from_json, record["rows"]))
        return cls(**given | {"rows": rows, "schema": SCHEMA})


def _are_rows(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
