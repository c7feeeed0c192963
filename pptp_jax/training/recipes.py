"""Recipes of the entire network: the controls, and the published defences beside PPTP.

A defence that is an objective alone is `whole_network(objective, epochs)`; weight decay is the
optimiser's, dropout the model's.
"""

from dataclasses import replace

from pptp_jax.objectives import Distillation, Objective, TaskLoss
from pptp_jax.regions import GENERAL, PROTECT, Region
from pptp_jax.release import Release
from pptp_jax.training.batches import Batches, Poisson, Shuffled
from pptp_jax.training.beginnings import FromScratch
from pptp_jax.training.federation import Federated
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.phase import WHOLE, Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.side_by_side import Ensemble
from pptp_jax.training.weighted_recipes import each, weight_words
from pptp_jax.validation import Refused


def undefended(epochs: int) -> Recipe:
    """Cross-entropy for the entire network, to the end of its schedule.

    Examples:
        >>> undefended(30).slug
        'undefended_30'
    """
    return Recipe(name="undefended", phases=(Phase(epochs=epochs, objectives=TaskLoss()),))


def early_stopped(epochs: int) -> Recipe:
    """Cross-entropy for the entire network for fewer epochs: the control that is hard to beat.

    The learning-rate schedule ends with the training, which keeps more accuracy than a longer
    schedule cut off at the same epoch.

    Examples:
        >>> early_stopped(2).slug
        'early_stopped_2'
    """
    return replace(undefended(epochs), name="early_stopped")


def whole_network(defence: Objective, epochs: int, release: Release | None = None) -> Recipe:
    """A defence objective for the entire network.

    Args:
        defence: the objective.
        epochs: how long.
        release: the defence's part at test time; None releases the logits as they are.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> whole_network(RelaxLoss(alpha=1.0), epochs=30).slug
        'whole_network_30_relaxloss_1'
    """
    return Recipe(
        name="whole_network",
        phases=(Phase(epochs=epochs, objectives=defence),),
        defence=defence.name,
        strength=defence.strength,
        release=release,
    )


def switch(defence: Objective, after: int, more: int) -> Recipe:
    """Cross-entropy first, then a defence, both for the entire network.

    The control of PPTP `freeze` with a defence: what of its gain is due to the late start of the
    defence, and what to the region. With cross-entropy as the "defence" it is plain training whose
    learning rate starts again.

    Args:
        defence: the objective of the second phase.
        after: the epochs of the first phase.
        more: the epochs of the second phase.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> switch(RelaxLoss(alpha=0.2), after=2, more=8).slug
        'switch_2+8_relaxloss_0.2'
    """
    first = Phase(epochs=after, objectives=TaskLoss())
    return Recipe(
        name="switch",
        phases=(first, Phase(epochs=more, objectives=defence)),
        defence=defence.name,
        strength=defence.strength,
    )


def federated(recipe: Recipe, clients: Federated, region: Region | None = None) -> Recipe:
    """A recipe whose phases are trained at clients, in rounds that take the place of epochs.

    Args:
        recipe: the rules of local training.
        clients: who they are, and what they send.
        region: what is kept at home, perturbed or sent late as `protect`; None takes the region of
            the recipe.

    Raises:
        ValueError: if the recipe cannot be trained so, or has another region.

    Examples:
        >>> federated(undefended(30), Federated(clients=8, home=("protect",)), "stem").slug
        'undefended-8-clients-home-protect_30_stem'
    """
    if region is not None and recipe.region not in (None, region):
        raise Refused(f"{recipe.name} has the region {recipe.region!r}, and another is given")
    phases = tuple(replace(phase, clients=clients) for phase in recipe.phases)
    own = recipe.region if region is None else region
    return replace(recipe, name=f"{recipe.name} {clients.words}", phases=phases, region=own)


def dp_sgd(private: Private, epochs: int, batches: Batches | None = None) -> Recipe:
    """DP-SGD for the entire network.

    A study prints the ε that is valid for how its batches are drawn: that of Poisson sampling is
    not valid for shuffled ones, whose ε is larger at equal noise; see `pptp_jax.privacy.epsilon`.

    Args:
        private: the clipping norm and the noise; its `weights` are by block, or by any other word
            for a region.
        epochs: how long.
        batches: how they are drawn; None is `Shuffled()`.

    References:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016,
        https://arxiv.org/abs/1607.00133

    Examples:
        >>> dp_sgd(Private(noise_multiplier=0.5), epochs=10).slug
        'dp_sgd_10_noise_0.5'
        >>> dp_sgd(Private(noise_multiplier=0.5), epochs=10, batches=Poisson()).slug
        'dp_sgd_poisson_10_noise_0.5'
        >>> weighted = Private(noise_multiplier=0.5, weights={"stem": 1.0, "stage3": 0.1})
        >>> dp_sgd(weighted, epochs=10).slug
        'dp_sgd-weights-1-0.1_10_stem+stage3_noise_0.5'
    """
    weights = private.weights
    own = Shuffled() if batches is None else batches
    phase = Phase(epochs=epochs, objectives=TaskLoss(), gradient=private, batches=own)
    name = "dp_sgd_poisson" if isinstance(own, Poisson) else "dp_sgd"
    return Recipe(
        name=name if weights is None else f"{name} {weight_words(weights)}",
        phases=(phase,),
        region=None if weights is None else each(weights),
        defence="noise",
        strength=float(private.noise_multiplier),
    )


def dmp(epochs: int, distil: int, temperature: float = 1.0) -> Recipe:
    """DMP: an unprotected network teaches a new one on the reference examples alone.

    The student starts from the teacher's own initial values. The paper chooses the reference
    examples by the teacher's entropy and generates more; here they are those set aside.

    Args:
        epochs: how long the teacher learns, from the members.
        distil: how long the student learns, from the teacher's answers.
        temperature: of the answers.

    References:
        Shejwalkar and Houmansadr, "Membership Privacy for Machine Learning Models Through
        Knowledge Transfer", AAAI 2021, https://arxiv.org/abs/1906.06589

    Examples:
        >>> dmp(epochs=30, distil=30).slug
        'dmp_30+30_distillation_1'
    """
    return _distilled(
        "dmp",
        Phase(epochs=epochs, objectives=TaskLoss()),
        Phase(
            epochs=distil,
            objectives=Distillation(temperature=temperature),
            start=(FromScratch(),),
            examples="reference",
        ),
    )


def selena(
    epochs: int, distil: int, ensemble: Ensemble | None = None, region: Region | None = None
) -> Recipe:
    """SELENA: sub-models label the members that they did not see, and one network learns these.

    Args:
        epochs: how long the sub-models learn.
        distil: how long the network learns from their answers.
        ensemble: how many sub-models there are; None is K = 25 and L = 10, as published.
        region: what learns from the answers, while the rest learns from the labels, at once as in
            `split`: PPTP with SELENA in the region; None distils all of the network.

    References:
        Tang et al., "Mitigating Membership Inference Attacks by Self-Distillation Through a Novel
        Ensemble Architecture", USENIX Security 2022, https://arxiv.org/abs/2110.08324

    Examples:
        >>> selena(epochs=10, distil=20).slug
        'selena_10+20_distillation_1'
        >>> selena(epochs=10, distil=20, region="not head").slug
        'selena_10+20_not-head_distillation_1'
    """
    own = Ensemble() if ensemble is None else ensemble
    taught = Distillation()
    learned = taught if region is None else {PROTECT: taught, GENERAL: TaskLoss()}
    return _distilled(
        "selena",
        Phase(epochs=epochs, objectives=TaskLoss(), ensemble=own),
        Phase(epochs=distil, objectives=learned, start=(FromScratch(),)),
        region,
    )


def _distilled(name: str, teacher: Phase, student: Phase, region: Region | None = None) -> Recipe:
    objective = student.by_region[WHOLE if region is None else PROTECT]
    return Recipe(
        name=name,
        phases=(teacher, student),
        region=region,
        defence=objective.name,
        strength=objective.strength,
    )
