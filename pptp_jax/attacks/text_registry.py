"""The attacks on language models that read tokens, or a sequence beside the model's answers."""

from pptp_jax.attacks.attack import Attack
from pptp_jax.attacks.text_attacks import base_ratio, min_k, min_k_plus_plus, zlib_ratio

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
)
