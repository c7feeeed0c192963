"""The study of `topics.py` with adapters of rank 2 beside a frozen decoder.

Command: `pptp run experiments/topics_lora_thin.py` (no download).
"""

from topics_lora import adapted

study = adapted("topics_lora_thin", rank=2)
