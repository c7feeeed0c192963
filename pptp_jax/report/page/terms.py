"""The terms of the page, for readers who are new to membership inference."""

TERMS = {
    "member": "A record that a model was trained on. All other records are non-members.",
    "target": "A model under attack.",
    "shadow": "A model that the attacker trains as the target was trained, on known records. IN "
    "shadows were trained on the record in question, OUT shadows were not.",
    "attack": "It gives each pair of a target and a record a score. The higher the score, the more "
    "likely the record is a member.",
    "LiRA, RMIA": "Attacks that compare the target with shadows. LOSS reads the loss of the target "
    "alone.",
    "other attacks": "BaVarIA, BASE, InfoRMIA, Attack-P and the others are attacks of the "
    "literature, which the page on attacks of the documentation describes one by one.",
    "AUC": "The probability that a member has a higher score than a non-member.",
    "TPR at 1\N{NO-BREAK SPACE}% FPR": "The share of the members that the attack finds "
    "(true-positive rate), if it accuses 1\N{NO-BREAK SPACE}% of the non-members (false-positive "
    "rate).",
    "recipe": "How models are trained. “4+26 epochs” are two phases of training. A number behind "
    "the name of a defence is its strength.",
    "early stopping": "Plain training without a defence, stopped after any number of epochs.",
    "tuned rivals": "All methods without a protected region, as one curve of their best settings.",
}
