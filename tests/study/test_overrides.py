"""What is changed of a study from outside, and what is refused."""

from dataclasses import replace

import pytest
from small_study import STUDY

from pptp_jax.data import Quarters
from pptp_jax.models import (
    BUILDERS,
    Model,
    cnn,
    mlp,
    resnet8,
    resnet9,
    resnet18,
    vgg11_bn,
    vit,
    wrn28,
)
from pptp_jax.storage.record import describe
from pptp_jax.study import overridden


def change(*changes: str):
    return overridden(STUDY, changes)


def test_fields_of_every_type() -> None:
    assert change("batch_size=25") == replace(STUDY, batch_size=25)
    assert change("examples=none", "white_box=true") == replace(
        STUDY, examples=None, white_box=True
    )
    assert change("attacks=loss,rmia_online").attacks == ("loss", "rmia_online")
    assert change("trajectory=1, 2").trajectory == (1, 2) and change("trajectory=").trajectory == ()
    assert change("budget=1e-2").budget == 0.01 and change("name=a=b").name == "a=b"


def test_parts_by_path_and_by_name_alone() -> None:
    assert change("split.models=4") == change("models=4")
    assert change("models=4").split == replace(STUDY.split, models=4)
    assert change("optimizer.schedule=constant").optimizer.schedule == "constant"
    assert change("learning_rate=0.5").optimizer == replace(STUDY.optimizer, learning_rate=0.5)
    quarters = replace(STUDY, split=Quarters(targets=1, shadows=2))
    assert overridden(quarters, ["shadows=3"]).split == Quarters(targets=1, shadows=3)
    with pytest.raises(ValueError, match="--set models: there is no such key"):
        overridden(quarters, ["models=3"])


def test_the_model_is_built_again() -> None:
    model = change("model.hidden=4,5", "model.dropout=0.5").model
    assert describe(model) == describe(mlp([4, 5], num_classes=10, dropout=0.5))
    assert [block.name for block in model.blocks] == ["stem", "stage1", "head"]


@pytest.mark.parametrize("make", [resnet8, resnet9])
def test_the_dropout_of_a_residual_network_is_an_override(make) -> None:
    study = replace(STUDY, model=make(width=4))
    assert overridden(study, ["model.dropout=0.3"]).model.config == {
        **make(width=4).config,
        "dropout": 0.3,
    }


@pytest.mark.parametrize(
    "model",
    [
        cnn([4], 8, 10),
        mlp([8], 10),
        resnet8(width=4),
        resnet9(width=8),
        resnet18(),
        vgg11_bn(),
        vit(depths=(1, 1)),
        wrn28(1),
    ],
    ids=lambda model: model.config["name"],
)
def test_a_record_of_a_model_builds_it(model: Model) -> None:
    arguments = {key: value for key, value in model.config.items() if key != "name"}
    again = BUILDERS[model.config["name"]](**arguments)
    assert again.config == model.config
    assert (again.blocks, again.parts) == (model.blocks, model.parts)


def test_recipes_by_name_and_by_slug() -> None:
    first, second, third = change("recipes.freeze.epochs=2+3").recipes
    assert (first, third) == (STUDY.recipes[0], STUDY.recipes[2])
    assert second.slug == "freeze_2+3_stem"
    [*_, split] = change("recipes.split_2_head_relaxloss_1.region=stem").recipes
    assert split.slug == "split_2_stem_relaxloss_1"
    assert change("recipes.freeze.region=blocks[:1]").recipes[1].slug == "freeze_1+1_blocks-1"
    twice = change("recipes.undefended.epochs=1", "recipes.undefended_1.epochs=4")
    assert twice.recipes[0].slug == "undefended_4"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("batchsize=1", "did you mean 'batch_size'"),
        ("optimiser.learning_rate=1", "did you mean 'optimizer.learning_rate'"),
        ("model.droput=1", "did you mean 'model.dropout'"),
        ("recipes.undefnded.epochs=1", "did you mean 'recipes.undefended.epochs'"),
        ("recipes.freeze=1", "did you mean .*'recipes.freeze.epochs'"),
        ("zzz=1", "there is no such key; there are 'name', 'examples'"),
        ("batch_size=8.5", "must be an integer, got '8.5'"),
        ("examples=few", "must be an integer or none, got 'few'"),
        ("white_box=yes", "must be true or false, got 'yes'"),
        (
            "trajectory=1,x",
            "an integer, or several with commas between them, got '1,x'",
        ),
        (
            "optimizer.schedule=step",
            "must be 'cosine' or 'constant' or 'linear' or 'steps' or 'lira', got 'step'",
        ),
        ("model=mlp", "this is no plain value"),
        ("seed=-1", "seed must be an integer of at least 0, got -1"),
        ("attacks=lyra_online", "did you mean 'lira_online'"),
        ("model.dropout=2", "dropout must lie between 0 and 1, got 2.0"),
        ("recipes.freeze.epochs=3", "freeze_1.1_stem has 2 phases, .* written as 1.1; got 3"),
        ("recipes.freeze.epochs=1+0", "epochs must be an integer of at least 1, got 0"),
        ("recipes.freeze.region=hed", "region 'hed' is unknown; did you mean 'head'"),
        ("recipes.undefended.region=head", "trains the entire network and has no region"),
        ("models", "write it as key=value"),
    ],
)
def test_what_is_refused(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^--set {wrong.partition('=')[0]}: .*{message}"):
        change(wrong)


def test_a_model_of_ones_own_is_left_alone() -> None:
    study = replace(STUDY, model=Model(STUDY.model.init, STUDY.model.apply, STUDY.model.blocks))
    with pytest.raises(
        ValueError, match=r"only models built by cnn, .*mlp, .* where it is defined"
    ):
        overridden(study, ["model.dropout=0.1"])
