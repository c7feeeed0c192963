"""Attacks on denoisers by one number a timestep, and by the norms of gradients."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.folds import folds_of
from pptp_jax.data.boosted_trees import on_one_thread
from pptp_jax.validation import AttackUnavailable, Refused, at_least


def denoising_loss(
    evidence: Evidence, *, timestep: int | None = None
) -> Float[np.ndarray, "targets attacked"]:
    """−‖ε − ε_θ(x_t, t)‖², averaged over draws of the noise, at one timestep.

    Args:
        evidence: with `denoising_error`.
        timestep: the place of the timestep among those of the signal; None takes the one at which
            the attack is best on the shadows.

    References:
        Carlini et al., "Extracting Training Data from Diffusion Models", 2023,
        https://arxiv.org/abs/2301.13188
        Matsumoto, Miura and Yanai, "Membership Inference Attacks against Diffusion Models", 2023,
        https://arxiv.org/abs/2302.03262

    Examples:
        >>> errors = np.float32([[[[0.5, 0.25]]], [[[0.75, 0.5]]]])
        >>> membership = np.array([[False, True], [True, False]])
        >>> held = Evidence.leave_one_out({"denoising_error": errors}, membership)
        >>> denoising_loss(held, timestep=0).tolist()
        [[-0.5, -0.25], [-0.75, -0.5]]
    """
    own, known = (array.mean(axis=1) for array in _both(evidence, "denoising_error"))
    return _at_one_timestep(evidence, own, known, timestep)


def secmi(
    evidence: Evidence, *, timestep: int | None = None
) -> Float[np.ndarray, "targets attacked"]:
    """SecMI (the threshold attack): −‖x_t − x_t'‖² after a step of DDIM forth and back.

    Args:
        evidence: with `secmi_error`.
        timestep: as in `denoising_loss`.

    References:
        Duan et al., "Are Diffusion Models Vulnerable to Membership Inference Attacks?", ICML 2023,
        https://arxiv.org/abs/2302.01316

    Examples:
        >>> known = {"secmi_error": np.ones((1, 3, 2))}
        >>> held = Evidence.leave_one_out(known, np.eye(1, 2, dtype=bool))
        >>> secmi(held, timestep=2).tolist()
        [[-1.0, -1.0]]
    """
    return _by(evidence, "secmi_error", timestep)


def pia(
    evidence: Evidence, *, timestep: int | None = None
) -> Float[np.ndarray, "targets attacked"]:
    """PIA: minus the error at a noise that the model itself says is in the image.

    Args:
        evidence: with `pia_error`.
        timestep: as in `denoising_loss`.

    References:
        Kong et al., "An Efficient Membership Inference Attack for the Diffusion Model by Proximal
        Initialization", ICLR 2024, https://arxiv.org/abs/2305.18355

    Examples:
        >>> known = {"pia_error": np.ones((1, 3, 2))}
        >>> held = Evidence.leave_one_out(known, np.eye(1, 2, dtype=bool))
        >>> pia(held, timestep=2).tolist()
        [[-1.0, -1.0]]
    """
    return _by(evidence, "pia_error", timestep)


def pian(
    evidence: Evidence, *, timestep: int | None = None
) -> Float[np.ndarray, "targets attacked"]:
    """PIAN: PIA with this noise brought to the size of Gaussian noise.

    Args:
        evidence: with `pian_error`.
        timestep: as in `denoising_loss`.

    Examples:
        >>> known = {"pian_error": np.ones((1, 3, 2))}
        >>> held = Evidence.leave_one_out(known, np.eye(1, 2, dtype=bool))
        >>> pian(held, timestep=2).tolist()
        [[-1.0, -1.0]]
    """
    return _by(evidence, "pian_error", timestep)


def sima(
    evidence: Evidence, *, timestep: int | None = None
) -> Float[np.ndarray, "targets attacked"]:
    """SimA: minus the norm of the noise that the model sees in the image itself.

    Args:
        evidence: with `sima_norm`.
        timestep: as in `denoising_loss`.

    References:
        Rao et al., "Score-based Membership Inference on Diffusion Models", 2025,
        https://arxiv.org/abs/2509.25003

    Examples:
        >>> known = {"sima_norm": np.ones((1, 3, 2))}
        >>> held = Evidence.leave_one_out(known, np.eye(1, 2, dtype=bool))
        >>> sima(held, timestep=2).tolist()
        [[-1.0, -1.0]]
    """
    return _by(evidence, "sima_norm", timestep)


def gsa1(
    evidence: Evidence, *, steps: int = 100, folds: int = 4
) -> Float[np.ndarray, "targets attacked"]:
    """GSA1: boosted trees on the norms, by block, of the gradient of the mean loss over timesteps.

    Args:
        evidence: with `gradient_norms`.
        steps: how many trees.
        folds: how many forests share the targets (see `folds_of`).

    Raises:
        AttackUnavailable: if some target has no shadow with both members and non-members.

    References:
        Pang et al., "White-box Membership Inference Attacks against Diffusion Models", 2023,
        https://arxiv.org/abs/2308.06405

    Examples:
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] // 2 % 2
        >>> norms = np.ones((4, 2, 40)) - membership.reshape(4, 1, 40) / 2
        >>> held = Evidence.leave_one_out({"gradient_norms": norms}, membership)
        >>> scores = gsa1(held, steps=5)
        >>> bool(scores[membership].min() > scores[~membership].max())
        True
    """
    own, known = _both(evidence, "gradient_norms")
    return _learned(evidence, own, known, steps, folds)


def gsa2(
    evidence: Evidence, *, steps: int = 100, folds: int = 4, by_timestep: bool = False
) -> Float[np.ndarray, "targets attacked"]:
    """GSA2: boosted trees on the norms of the gradients, by block, averaged over timesteps.

    Args:
        evidence: with `timestep_gradients`.
        steps: how many trees.
        folds: how many forests share the targets (see `folds_of`).
        by_timestep: trees see the norms of each timestep by itself, which is ours.

    Raises:
        AttackUnavailable: if some target has no shadow with both members and non-members.

    References:
        Pang et al., "White-box Membership Inference Attacks against Diffusion Models", 2023,
        https://arxiv.org/abs/2308.06405

    Examples:
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] // 2 % 2
        >>> norms = np.ones((4, 3, 2, 40)) - membership.reshape(4, 1, 1, 40) / 2
        >>> held = Evidence.leave_one_out({"timestep_gradients": norms}, membership)
        >>> scores = gsa2(held, steps=5)
        >>> bool(scores[membership].min() > scores[~membership].max())
        True
    """
    own, known = _both(evidence, "timestep_gradients")
    if by_timestep:
        own, known = (a.reshape(len(a), -1, a.shape[-1]) for a in (own, known))
    else:
        own, known = own.mean(axis=1), known.mean(axis=1)
    return _learned(evidence, own, known, steps, folds)


def _both(evidence: Evidence, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A signal of the targets where they are attacked, and of the shadows on all examples."""
    known = evidence.shadow_signal(name, all_examples=True)
    return np.asarray(evidence.target_signal(name)), np.asarray(known)


def _by(
    evidence: Evidence, name: str, timestep: int | None
) -> Float[np.ndarray, "targets attacked"]:
    return _at_one_timestep(evidence, *_both(evidence, name), timestep)


def _at_one_timestep(
    evidence: Evidence,
    own: Float[np.ndarray, "targets timesteps attacked"],
    known: Float[np.ndarray, "shadows timesteps examples"],
    timestep: int | None,
) -> Float[np.ndarray, "targets attacked"]:
    """Minus the values at a timestep; at that which finds most in the other shadows."""
    count = own.shape[1]
    if timestep is not None:
        if not 0 <= timestep < count:
            raise Refused(f"timestep must be from 0 to {count - 1}, a place, got {timestep}")
        return -own[:, timestep]
    members = evidence.shadow_membership(all_examples=True)
    found = np.stack([_auc(-known[:, t], members) for t in range(count)])
    both = np.isfinite(found[0])
    best = []
    for itself in evidence.target_among_shadows:
        others = both & (np.arange(len(both)) != itself)
        if not others.any():
            raise AttackUnavailable(
                "this attack chooses its timestep on shadows that have members and non-members "
                "among the examples, and some target has none: train more models, or give timestep"
            )
        best.append(int(found[:, others].mean(axis=1).argmax()))
    return -own[np.arange(len(own)), best]


def _auc(
    scores: Float[np.ndarray, "shadows examples"], members: Bool[np.ndarray, "shadows examples"]
) -> Float[np.ndarray, " shadows"]:
    """The area under each shadow's ROC curve; NaN without members or without non-members."""
    ranks = rankdata(scores, axis=1)
    inside = members.sum(axis=1).astype(float)
    pairs = inside * (members.shape[1] - inside)
    above = np.where(members, ranks, 0).sum(axis=1) - inside * (inside + 1) / 2
    return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)


def _learned(
    evidence: Evidence,
    own: Float[np.ndarray, "targets norms attacked"],
    known: Float[np.ndarray, "shadows norms examples"],
    steps: int,
    folds: int,
) -> Float[np.ndarray, "targets attacked"]:
    """The log-odds of membership by trees, which judge neither shadows nor examples that they saw.

    A tree that knows an example by its norms sees how many of the other shadows have it, and in a
    balanced fleet that gives the target's membership away.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    at_least(1, steps=steps, folds=folds)
    dealt, members = folds_of(evidence, folds), evidence.shadow_membership(all_examples=True)
    half = np.arange(members.shape[1]) % 2
    attacked = half if evidence.examples is None else half[evidence.examples]
    found = np.empty((len(own), own.shape[-1]))
    with on_one_thread():
        for fold, teachers in enumerate(np.asarray(dealt.teachers)):
            targets = np.flatnonzero(np.asarray(dealt.of_target) == fold)
            for part in (0, 1):
                seen, judged = half != part, np.flatnonzero(attacked == part)
                rows = known[teachers][:, :, seen].swapaxes(1, 2).reshape(-1, known.shape[1])
                trees = HistGradientBoostingClassifier(
                    max_iter=steps, early_stopping=False, class_weight="balanced", random_state=0
                ).fit(rows, members[teachers][:, seen].ravel())
                for target in targets if len(judged) else ():
                    found[target, judged] = trees.decision_function(own[target][:, judged].T)
    return found
