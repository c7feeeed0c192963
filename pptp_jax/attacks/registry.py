"""All attacks by name."""

from dataclasses import replace

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.base import base_offline, base_online
from pptp_jax.attacks.bavaria import bavaria_t
from pptp_jax.attacks.calibration import calibration_sablayrolles, calibration_watson
from pptp_jax.attacks.denoiser_registry import ON_DENOISERS
from pptp_jax.attacks.generative_registry import ON_GENERATORS
from pptp_jax.attacks.label_only import boundary_distance, noise, oslo
from pptp_jax.attacks.lira import lira_offline, lira_online
from pptp_jax.attacks.loss import loss
from pptp_jax.attacks.metric_attacks import confidence, correctness, entropy, modified_entropy
from pptp_jax.attacks.multivariate_lira import lira_multivariate
from pptp_jax.attacks.quantile import quantile_nonmembers, quantile_regression
from pptp_jax.attacks.rmia import rmia_offline, rmia_online
from pptp_jax.attacks.shadow_network import augmentation, shadow_network
from pptp_jax.attacks.text_registry import ON_TOKENS
from pptp_jax.attacks.trajectory_registry import ALONG_STOPS
from pptp_jax.attacks.white_box import gradient_norm, input_gradient_norm
from pptp_jax.attacks.ye import attack_p, attack_r

_PHI = ("confidence",)
_LOG_PROB = ("log_prob",)

_EVERY = (
    Attack(
        name="loss",
        title="LOSS",
        access="scores",
        reads=_LOG_PROB,
        source="Yeom et al. 2018, arXiv 1709.01604",
        function=loss,
    ),
    Attack(
        name="confidence",
        title="confidence",
        access="scores",
        reads=_PHI,
        source="Song and Mittal 2021, arXiv 2003.10595",
        deviations="no thresholds by class unless requested (`per_class`)",
        function=confidence,
    ),
    Attack(
        name="entropy",
        title="entropy",
        access="scores",
        reads=("logits", "labels"),
        source="Song and Mittal 2021, arXiv 2003.10595",
        deviations="no thresholds by class unless requested (`per_class`)",
        function=entropy,
    ),
    Attack(
        name="modified_entropy",
        title="modified entropy",
        access="scores",
        reads=("logits", "labels"),
        min_shadows=1,
        source="Song and Mittal 2021, arXiv 2003.10595",
        deviations="a score: the distance from the threshold of the class, chosen on all shadows",
        function=modified_entropy,
    ),
    Attack(
        name="correctness",
        title="correctness",
        access="labels",
        reads=("correct",),
        source="Yeom et al. 2018, arXiv 1709.01604",
        function=correctness,
    ),
    Attack(
        name="calibration_watson",
        title="calibration (Watson)",
        access="scores",
        reads=_LOG_PROB,
        min_out_shadows=1,
        source="Watson et al. 2022, arXiv 2111.08440",
        function=calibration_watson,
    ),
    Attack(
        name="calibration_sablayrolles",
        title="calibration (Sablayrolles)",
        access="scores",
        reads=_LOG_PROB,
        min_in_shadows=1,
        min_out_shadows=1,
        source="Sablayrolles et al. 2019, arXiv 1908.11229",
        deviations="the threshold is the middle of the two mean losses, not fitted otherwise",
        function=calibration_sablayrolles,
    ),
    Attack(
        name="lira_online",
        title="LiRA",
        access="scores",
        reads=_PHI,
        min_in_shadows=2,
        min_out_shadows=2,
        source="Carlini et al. 2022, arXiv 2112.03570",
        deviations="as many IN as OUT shadows of each example (see below); the global variance is "
        "that within examples, pooled, without gross outliers; `reference_compat` computes as the "
        "published code",
        function=lira_online,
    ),
    Attack(
        name="lira_multivariate",
        title="LiRA multivariate",
        access="scores",
        reads=_PHI,
        min_in_shadows=2,
        min_out_shadows=2,
        source="Carlini et al. 2022, arXiv 2112.03570",
        deviations="as LiRA; each example's covariance of the queries is drawn towards that within "
        "examples, pooled",
        function=lira_multivariate,
    ),
    Attack(
        name="lira_offline",
        title="LiRA offline",
        access="scores",
        reads=_PHI,
        min_out_shadows=2,
        source="Carlini et al. 2022, arXiv 2112.03570",
        deviations="one-sided as in the paper; the distribution is that of the next value, which "
        "allows for the number of shadows; `reference_compat` ranks by −log density as the "
        "published code",
        function=lira_offline,
    ),
    Attack(
        name="bavaria_t",
        title="BaVarIA-t",
        access="scores",
        reads=_PHI,
        min_in_shadows=2,
        min_out_shadows=2,
        source="Brännvall 2026, arXiv 2603.11799",
        deviations="as many IN as OUT shadows of each example (see below); the prior's numbers "
        "are fitted by moments; those of the paper were not at hand",
        function=bavaria_t,
    ),
    Attack(
        name="rmia_online",
        title="RMIA",
        access="scores",
        reads=_LOG_PROB,
        min_in_shadows=1,
        min_out_shadows=1,
        source="Zarifzadeh et al. 2024, arXiv 2312.03262",
        deviations="IN and OUT shadows weigh alike in p(x); γ = 2; softmax unless "
        '`probability="taylor"`; the population is the examples under attack unless given',
        function=rmia_online,
    ),
    Attack(
        name="rmia_offline",
        title="RMIA offline",
        access="scores",
        reads=_LOG_PROB,
        min_out_shadows=1,
        source="Zarifzadeh et al. 2024, arXiv 2312.03262",
        deviations='as RMIA; `a` is 0.3 unless `a="tuned"`',
        function=rmia_offline,
    ),
    Attack(
        name="base_online",
        title="BASE",
        access="scores",
        reads=_LOG_PROB,
        min_in_shadows=1,
        min_out_shadows=1,
        source="Lassila et al. 2025, arXiv 2505.24089",
        deviations="IN and OUT shadows weigh alike in the mean",
        function=base_online,
    ),
    Attack(
        name="base_offline",
        title="BASE offline",
        access="scores",
        reads=_LOG_PROB,
        min_out_shadows=1,
        source="Lassila et al. 2025, arXiv 2505.24089",
        deviations="the mean over OUT shadows is not scaled; its logarithm is corrected for their "
        "number",
        function=base_offline,
    ),
    Attack(
        name="attack_p",
        title="Attack-P",
        access="scores",
        reads=_LOG_PROB,
        source="Ye et al. 2022, arXiv 2111.09679",
        deviations="the population is the examples under attack unless given",
        function=attack_p,
    ),
    Attack(
        name="attack_r",
        title="Attack-R",
        access="scores",
        reads=_LOG_PROB,
        min_out_shadows=1,
        source="Ye et al. 2022, arXiv 2111.09679",
        deviations="ties count half; as many OUT shadows of every example where few are left out",
        function=attack_r,
    ),
    Attack(
        name="shadow_network",
        title="shadow network",
        access="scores",
        reads=("logits", "labels"),
        min_shadows=1,
        source="Shokri et al. 2017, arXiv 1610.05820; Salem et al. 2019, arXiv 1806.01246",
        deviations="one network for all classes, which gets the label; log-probabilities, the "
        "label's first; members and non-members of each class weigh alike",
        function=shadow_network,
    ),
    Attack(
        name="quantile_regression",
        title="quantile regression",
        access="scores",
        reads=("confidence", "inputs"),
        min_shadows=1,
        source="Bertran et al. 2023, arXiv 2307.03694",
        deviations="learns from OUT shadows' φ, not from the target's on known non-members",
        function=quantile_regression,
    ),
    Attack(
        name="quantile_nonmembers",
        title="quantile regression on non-members",
        access="scores",
        reads=("confidence", "inputs", "nonmembers"),
        source="Bertran et al. 2023, arXiv 2307.03694",
        deviations="a small MLP; no search for its settings",
        function=quantile_nonmembers,
    ),
    Attack(
        name="augmentation",
        title="augmentation",
        access="labels",
        reads=("correct",),
        min_shadows=1,
        source="Choquette-Choo et al. 2021, arXiv 2007.14321",
        deviations="the queries are the evidence's; members and non-members weigh alike",
        function=augmentation,
    ),
    Attack(
        name="boundary_distance",
        title="boundary distance",
        access="labels",
        reads=("boundary_distance",),
        source="Choquette-Choo et al. 2021, arXiv 2007.14321",
        function=boundary_distance,
    ),
    Attack(
        name="noise",
        title="noise",
        access="labels",
        reads=("noisy_correct",),
        source="Choquette-Choo et al. 2021, arXiv 2007.14321",
        function=noise,
    ),
    Attack(
        name="oslo",
        title="OSLO",
        access="labels",
        reads=("transferred_correct",),
        source="Peng et al. 2024, arXiv 2405.16978",
        deviations="the share of ten thresholds, one query each, unless one is chosen "
        "(`threshold`); momentum steps along signs of gradients; the surrogates differ in initial "
        "values and batches alone",
        function=oslo,
    ),
    Attack(
        name="gradient_norm",
        title="gradient norm",
        access="white-box",
        reads=("gradient_norms",),
        source="Nasr et al. 2019, arXiv 1812.00910",
        deviations="the norm alone, of all weights or of the `blocks` of a region",
        function=gradient_norm,
    ),
    Attack(
        name="input_gradient_norm",
        title="input gradient norm",
        access="white-box",
        reads=("input_gradient_norm",),
        source="Rezaei and Liu 2021, arXiv 2005.13702",
        function=input_gradient_norm,
    ),
    *ALONG_STOPS,
    *ON_TOKENS,
    *ON_DENOISERS,
    *ON_GENERATORS,
)

# All of them leave a target out of its shadows, by sums or by folds: the tests compare their scores
# with those of each target alone.
ATTACKS: dict[str, Attack] = {attack.name: replace(attack, leaves_out=True) for attack in _EVERY}
