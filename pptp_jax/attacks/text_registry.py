"""The attacks on language models that read tokens, or a sequence beside the model's answers."""

from pptp_jax.attacks.altered_text import lowercase, neighbourhood, recall
from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.base_comparison import ez_mia, informia_tokens
from pptp_jax.attacks.informia import informia
from pptp_jax.attacks.text_attacks import base_ratio, min_k, min_k_plus_plus, zlib_ratio
from pptp_jax.attacks.token_lira import lira_tokens

ON_TOKENS = (
    Attack(
        name="min_k",
        title="Min-K %",
        access="scores",
        reads=("token_log_prob", "token_present"),
        source="Shi et al. 2023, arXiv 2310.16789",
        deviations="one token at least, however short the sequence",
        function=min_k,
    ),
    Attack(
        name="min_k_plus_plus",
        title="Min-K %++",
        access="scores",
        reads=("token_log_prob", "token_mean", "token_deviation", "token_present"),
        source="Zhang et al. 2024, arXiv 2404.02936",
        deviations="as Min-K %; a deviation below 1e-6 counts as 1e-6",
        function=min_k_plus_plus,
    ),
    Attack(
        name="zlib_ratio",
        title="zlib",
        access="scores",
        reads=("log_prob", "compressed_length"),
        source="Carlini et al. 2021, arXiv 2012.07805",
        deviations="of tokens that are no bytes, their ids are compressed and not the text",
        function=zlib_ratio,
    ),
    Attack(
        name="base_ratio",
        title="base model ratio",
        access="scores",
        reads=("log_prob", "base_log_prob"),
        source="Mireshghallah et al. 2022, arXiv 2205.12506",
        deviations="a mean over tokens; in a study the base model is the network as it begins",
        function=base_ratio,
    ),
    Attack(
        name="lowercase",
        title="lowercase",
        access="scores",
        reads=("log_prob", "lowered_log_prob"),
        source="Carlini et al. 2021, arXiv 2012.07805",
        deviations="means over tokens; of bytes, A to Z alone are lowered",
        function=lowercase,
    ),
    Attack(
        name="recall",
        title="ReCaLL",
        access="scores",
        reads=("prefixed_log_prob", "unprefixed_log_prob"),
        source="Xie et al. 2024, arXiv 2406.15968",
        deviations="in a study four prefixes of half a sequence, and of the text what the context "
        "has room for behind them",
        function=recall,
    ),
    Attack(
        name="neighbourhood",
        title="neighbourhood",
        access="scores",
        reads=("log_prob", "neighbour_log_prob"),
        source="Mattern et al. 2023, arXiv 2305.18462",
        deviations="tokens are replaced by others as frequent as in the data, not by what a "
        "mask-filling model would say",
        function=neighbourhood,
    ),
    Attack(
        name="ez_mia",
        title="EZ-MIA",
        access="scores",
        reads=("token_log_prob", "base_token_log_prob", "token_first", "token_present"),
        source="Ilić et al. 2026, arXiv 2601.12104",
        deviations="P / (P + N), which ranks as P / N; 1 where no token lost, for which the "
        "published code has 0; the first token counts; in a study the base model is the network "
        "as it begins",
        function=ez_mia,
    ),
    Attack(
        name="informia",
        title="InfoRMIA",
        access="scores",
        reads=("log_prob",),
        min_in_shadows=1,
        min_out_shadows=1,
        source="Tao and Shokri 2025, arXiv 2510.05582",
        deviations="IN and OUT shadows weigh alike in p(x); the divergence is a mean over the "
        "population, which is the examples under attack unless given",
        function=informia,
    ),
    Attack(
        name="informia_tokens",
        title="InfoRMIA by token",
        access="scores",
        reads=("token_log_prob", "base_token_log_prob", "base_divergence", "token_present"),
        source="Tao and Shokri 2025, arXiv 2510.05582",
        deviations="p is the base model's, in a study that of the network as it begins, and z the "
        "vocabulary; a mean over tokens",
        function=informia_tokens,
    ),
    Attack(
        name="lira_tokens",
        title="LiRA by token",
        access="scores",
        reads=("token_log_prob", "token_present"),
        min_in_shadows=2,
        min_out_shadows=2,
        source="Rossi et al. 2025, arXiv 2506.05126",
        deviations="log-odds of tokens; each sequence's covariance is drawn towards one that is "
        "pooled over all of them by the distance of tokens; as many IN as OUT shadows",
        function=lira_tokens,
    ),
)
