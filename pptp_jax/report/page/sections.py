"""The sections of the page: their titles, and what each shows and lets a reader conclude."""

from typing import NamedTuple


class Section(NamedTuple):
    """A section.

    Attributes:
        title: its heading.
        needs: what has to be known for it to be shown.
        lead: what it shows, and what to conclude; `{utility}` and `{attack}` are filled in.
    """

    title: str
    needs: str
    lead: str


SECTIONS = {
    "setting": Section(
        "What was trained and attacked",
        "setting",
        "This section lists the data, the models and the attacker. The results hold for this "
        "setting; other data or networks need a run of their own.",
    ),
    "table": Section(
        "Utility and leakage",
        "rows",
        "Each row shows the {utility} of one recipe and what attacks find. A defence helps if the "
        "attack AUC falls and the {utility} hardly changes. Read the warnings below the table.",
    ),
    "blind": Section(
        "Baseline without the model",
        "blind",
        "This section tests whether inputs and labels alone separate members from non-members. If "
        "they do, the attacks on this page may measure the data and not the model.",
    ),
    "screen": Section(
        "One model without shadows",
        "screen",
        "This section measures one model without shadow models. Use it to decide whether training "
        "a fleet of shadows is worth the time.",
    ),
    "curves": Section(
        "Utility over attack strength",
        "curves",
        "These plots compare defences at equal attack strength. The better defence has the better "
        "{utility} at the same strength of the attack.",
    ),
    "comparisons": Section(
        "Verdicts at equal attack strength",
        "comparisons",
        "Each row compares the {utility} of two methods, averaged over the attack strengths that "
        "both reach. A bold gain is significant: its interval does not contain zero.",
    ),
    "rocs": Section(
        "ROC",
        "rocs",
        "These curves show the share of members that an attack finds (true-positive rate) at each "
        "share of false alarms (false-positive rate). The left end matters most: there the attack "
        "finds members and accuses almost no non-member.",
    ),
    "scores": Section(
        "Scores of members and non-members",
        "histograms",
        "{attack} gives every example one score for each target. It separates members from "
        "non-members only where the two distributions differ; a right tail of members alone is "
        "what it finds at a low false-positive rate.",
    ),
    "attacks": Section(
        "Every attack",
        "attacks",
        "This section lists all attacks on all recipes. Judge a recipe by its strongest attack: an "
        "attacker chooses the attack.",
    ),
    "combined": Section(
        "All attacks combined",
        "combined",
        "This section combines all attacks into one probability of membership for each target and "
        "record. If the gain over the strongest attack is near zero, that attack is enough.",
    ),
    "owners": Section(
        "Owners of several records",
        "owners",
        "This section attacks owners (patients, users) who have several records. All records of an "
        "owner are members or none is. Compare the AUC of owners with the AUC by record.",
    ),
    "other": Section(
        "Data share and labels",
        "other_facts",
        "This section estimates how much of the data a model used, and how often a model reveals "
        "the label of a record. Both need a comparison with models that did not train on it.",
    ),
    "found": Section(
        "Which members are found",
        "slices",
        "This section measures {attack} by class and by difficulty. Classes or tenths far above "
        "the rest hold the members at risk, even if the average is near chance.",
    ),
    "white-box": Section(
        "White-box attacks by block",
        "blocks",
        "An attacker with the weights runs LiRA on the gradient norm or the features of each "
        "block. Blocks with the largest AUC are candidates for a protected region.",
    ),
    "robustness": Section(
        "Robustness to perturbed inputs",
        "robustness",
        "This section shows the accuracy on perturbed inputs of non-members. A defence can lower "
        "it as a side effect; compare recipes by the column “all attacks”.",
    ),
    "riskiest": Section(
        "Riskiest records",
        "riskiest",
        "These are the records that {attack} identifies best as members. Their owners have most to "
        "lose if the model is released.",
    ),
    "samples": Section(
        "Generated samples",
        "samples",
        "Each generated sample stands beside the nearest member and the nearest of as many "
        "non-members. A model that copies its members has far more than half of its samples nearer "
        "to a member.",
    ),
    "canaries": Section(
        "Bounds on ε from canaries",
        "canaries",
        "The audit plants examples at random and derives a lower bound on ε from how many it "
        "finds. A lower bound above the accounted ε is evidence of an error.",
    ),
    "risk-map": Section(
        "Risk map: leakage by block",
        "bars",
        "The map shows how far the attack and the accuracy fall when one block is changed. Protect "
        "a block where the attack falls far and the accuracy does not.",
    ),
    "caveats": Section(
        "Limits of these numbers",
        "caveats",
        "Read this section before you quote a number.",
    ),
    "again": Section(
        "Versions and reproduction",
        "versions",
        "The same command with the same versions, seed and data gives the same numbers.",
    ),
}
