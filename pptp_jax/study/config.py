"""The configuration of a study."""

from collections import Counter
from dataclasses import dataclass
from functools import partial

from pptp_jax.attacks import Attack, attack_of
from pptp_jax.data import (
    Arrays,
    Augmentation,
    Balanced,
    ByOwner,
    Dataset,
    Division,
    Membership,
    Pairs,
    Quarters,
    Source,
    divide,
    member_indices,
    sample,
)
from pptp_jax.fleets import FleetSpec
from pptp_jax.models import Model, Precision, in_precision
from pptp_jax.regions import asks_for_auto, protect
from pptp_jax.robustness import Robustness, check_disturbable
from pptp_jax.signals import IDENTITY, Query, check_queries
from pptp_jax.study.probes import Probes
from pptp_jax.study.required_signals import required_signals
from pptp_jax.training import (
    DEFAULT_OPTIMIZER,
    Optimizer,
    Recipe,
    check_members,
    check_model,
    check_optimizer,
    check_reference,
    phase_optimizer,
)
from pptp_jax.training.forward import outputs_shape
from pptp_jax.validation import (
    Refused,
    at_least,
    keep_python_numbers,
    positive,
    several,
)
from pptp_jax.validation.field_types import check_fields
from pptp_jax.validation.names import file_name

# The strongest attacks by confidences alone, with and without IN shadows, and the plain loss.
ATTACKED_BY = ("loss", "lira_online", "lira_offline", "rmia_online", "rmia_offline")


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study as plain frozen data: data, model, recipes, split and attacks.

    Attributes:
        name: what the run directory is called by default.
        data: where the examples come from.
        model: what is trained.
        recipes: the methods that are compared.
        split: who is a member of what; `ByOwner(Balanced(models=16))` draws all records of an owner
            together, and the results then also have what attacks achieve on owners.
        examples: how many examples take part; None takes as many as the split allows.
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one.
        batch_size: the members in a step.
        standardize: whether the model standardises its inputs, by the mean and deviation of all
            examples, members and non-members alike; None: where they are not of unit scale
            (docs/own.md).
        precision: that in which networks train (`pptp_jax.models.in_precision`): `tensorfloat32`
            and `bfloat16` round, and are faster on GPUs and TPUs. Signals are float32 in each.
        augmentation: what is done to images in training, the shadows' as the targets'.
        queries: the queries for each example; images can also be shown mirrored and moved.
        seed: what every draw derives from: examples, split, initial values, batches, bootstrap.
        attacks: the names of attacks, any of `pptp_jax.attacks.ATTACKS`, or attacks: with options,
            `ATTACKS["rmia_offline"].using(a=0.6)`, or of your own. Signals that some of
            them need beyond a model's answers are taken at the end of a recipe.
        probes: how the signals of label-only attacks are taken.
        compared: the attack by which recipes are compared at equal strength.
        combine: whether the attacks are also combined to one probability of membership a record;
            recipes are not compared by it.
        trajectory: the epochs of a recipe after which its models are attacked on the way as well.
        white_box: whether attackers also see each block's gradients and features at the end of a
            recipe.
        robustness: how it is measured whether finished models stay right on disturbed inputs; None
            does not ask.
        reference: how many examples are set aside for defences that need non-members to look at.
        tuning: the share of the other examples that is set aside for finding the region `auto`.
        budget: the accuracy that protecting the region `auto` may cost where it is found.
        resamples: the number of bootstrap resamples behind every interval.

    Raises:
        ValueError: if a recipe stands there twice, its region does not fit the model, or an attack
            is unknown.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import freeze
        >>> Study(
        ...     name="mine",
        ...     data=Digits(),
        ...     model=mlp([32], num_classes=10),
        ...     recipes=(freeze("stam", after=1, more=8),),
        ... )
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: region 'stam' is unknown; did you mean 'stem'? Known: ...
    """

    name: str
    data: Source
    model: Model
    recipes: tuple[Recipe, ...]
    split: Balanced | Pairs | Quarters | ByOwner = Balanced(models=16)  # noqa: RUF009 - frozen
    examples: int | None = None
    optimizer: Optimizer = DEFAULT_OPTIMIZER
    batch_size: int = 64
    standardize: bool | None = None
    precision: Precision = "float32"
    augmentation: Augmentation | None = None
    queries: tuple[Query, ...] = (IDENTITY,)
    seed: int = 0
    attacks: tuple[str | Attack, ...] = ATTACKED_BY
    probes: Probes = Probes()  # noqa: RUF009 - frozen
    compared: str = "lira_online"
    combine: bool = True
    trajectory: tuple[int, ...] = ()
    white_box: bool = False
    robustness: Robustness | None = None
    reference: int = 0
    tuning: float = 0.0
    budget: float = 0.05
    resamples: int = 500

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        check_fields(self)
        file_name(name=self.name)
        optimizer = phase_optimizer(self.optimizer)
        several(
            recipes=self.recipes,
            queries=self.queries,
            attacks=self.attacks,
            trajectory=self.trajectory,
        )
        at_least(1, recipes=len(self.recipes), resamples=self.resamples)
        for recipe in self.recipes:
            check_optimizer(recipe, optimizer)
        at_least(0, seed=self.seed)
        at_least(1, **{f"trajectory[{i}]": epoch for i, epoch in enumerate(self.trajectory)})
        positive(budget=self.budget)
        if isinstance(self.split, ByOwner) and (self.reference or self.tuning):
            raise Refused(
                "a split by owner sets no examples aside, since an owner would have records on "
                f"both sides: reference and tuning must be 0, got {self.reference} and "
                f"{self.tuning:g}"
            )
        if self.robustness is not None and not self.model.task.classes:
            raise Refused(
                f"robustness asks whether labels stay right, and the task {self.model.task.name} "
                "has none"
            )
        if self.robustness is not None and self.robustness.surrogates and not self.reference:
            raise Refused(
                "robustness.surrogates learn from reference examples, and there are none: set "
                "reference above 0"
            )
        if self.precision != "float32":  # which leaves a precision of the model's own alone
            in_precision(self.model, self.precision)  # refuses a model that has another
        check_queries(self.queries)
        names = [attack.name for attack in self.chosen_attacks]
        for name in names:
            if names.count(name) > 1:
                raise Refused(f"the study has the attack {name} more than once")
        attack_of(self.compared, self.attacks)
        for recipe in self.recipes:
            if asks_for_auto(recipe.region):
                self._check_auto(recipe)
            else:
                recipe.regions(self.model)
        twice = [s for s, n in Counter(r.slug for r in self.recipes).items() if n > 1]
        if twice:
            raise Refused(f"the study has the recipe {twice[0]} more than once")

    @property
    def chosen_attacks(self) -> tuple[Attack, ...]:
        """The attacks; names are looked up."""
        return tuple(map(attack_of, self.attacks))

    def _check_auto(self, recipe: Recipe) -> None:
        if self.tuning == 0:
            raise Refused(
                f"{recipe.name} asks for the region 'auto', which is found on examples that the "
                "evaluation never sees: set some aside with tuning=0.3 or so"
            )
        protect("head", self.model.blocks)  # refuses a model without blocks

    def division(self, examples: int) -> Division:
        """The division of the examples."""
        return divide(
            examples,
            reference=self.reference,
            tuning=self.tuning,
            multiple=self.split.multiple,
            seed=self.seed,
        )

    def membership(self, data: Dataset | int) -> Membership:
        """The membership in the final evaluation.

        Args:
            data: the examples, or how many there are; of owners, the examples.

        Raises:
            ValueError: if the split is by owner and the data name no owners, or too few.
        """
        if isinstance(self.split, ByOwner):
            if isinstance(data, int) or data.owners is None:
                raise Refused(
                    "a split by owner needs data that say whose each example is: an array `owners` "
                    "in the .npz file, or Dataset(owners=...)"
                )
            return self.split.draw(data.owners, self.seed)
        examples = data if isinstance(data, int) else len(data)
        rows = self.division(examples).evaluated
        return self.split.draw(len(rows), self.seed).spread(rows, examples)

    def tuning_membership(self, examples: int) -> Membership:
        """The membership of the tuning fleet; the final one if no tuning examples are set aside."""
        rows = self.division(examples).tuning
        if not rows.size or isinstance(self.split, ByOwner):
            return self.membership(examples)
        return self.split.draw(len(rows), self.seed).spread(rows, examples)

    def fleet_spec(
        self, recipe: Recipe, data: Dataset, membership: Membership | None = None
    ) -> FleetSpec:
        """The fleet of a recipe.

        Args:
            recipe: one of the study's.
            data: the study's examples.
            membership: who is a member of what; None takes that of the final evaluation.
        """
        membership = self.membership(data) if membership is None else membership
        return FleetSpec(
            model=self.model,
            recipe=recipe,
            data=data,
            members=member_indices(membership.matrix),
            optimizer=self.optimizer,
            batch_size=self.batch_size,
            seed=self.seed,
            reference=self.division(len(data)).reference,
            augmentation=self.augmentation,
            signals=required_signals(self, data, membership),
            queries=self.queries,
            stops=self.trajectory,
        )

    def load(self) -> Dataset:
        """Reads the examples, and checks that model and data fit together.

        Raises:
            ValueError: naming what does not fit.
        """
        select = partial(
            sample, examples=self.examples, multiple=self.split.multiple, seed=self.seed
        )
        data = self.data.load(select)
        check_queries(self.queries, data.x.shape[1:])
        if self.robustness is not None:
            check_disturbable(data, self.robustness)
        members = int(self.membership(data).matrix[0].sum())
        for recipe in self.recipes:
            check_members(recipe, members, self.batch_size)
            check_reference(recipe, self.reference, self.batch_size)
        arrays = Arrays.of(data)
        x = arrays.batch_shape(self.batch_size)
        try:
            outputs = outputs_shape(self.model, self.model.shapes(x), arrays)
        except (TypeError, ValueError) as error:
            raise Refused(
                f"the model does not take a batch of {data.name}, of shape {x.shape}: {error}"
            ) from error
        self.model.task.check(outputs, data)
        for recipe in self.recipes:
            check_model(recipe, self.model, x)
        return data
