"""Several classifiers as one model: logits, sharing, saving, pipelines, and what is refused."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    pipeline,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.contract import tiny_features, tiny_images, tiny_texts
from tests.fork_server import run_python
from tests.reference.problems import ConvNet, ConvNetConfig
from textssl import UserError
from textssl.features import FeatureClassifier
from textssl.modalities import modality_of
from textssl.models.inspection import position_limit
from textssl.models.modeling_ensemble import Ensemble, EnsembleConfig
from textssl.self_training.teachers import load_teacher


NAMES = ["bad", "fair", "good"]
SMALL = {
    "vocab_size": 65,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def named(model: PreTrainedModel) -> PreTrainedModel:
    model.config.id2label = dict(enumerate(NAMES))
    model.config.label2id = {name: i for i, name in enumerate(NAMES)}
    return model


def distilbert(seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = DistilBertConfig(
        vocab_size=65, dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=24, num_labels=3
    )
    return DistilBertForSequenceClassification(config)


def roberta() -> PreTrainedModel:
    config = RobertaConfig(**SMALL, max_position_embeddings=20, pad_token_id=1, num_labels=3)
    return RobertaForSequenceClassification(config)


def bart(seed: int = 0) -> PreTrainedModel:
    """Its encoder's and decoder's embeddings are one tensor."""
    torch.manual_seed(seed)
    config = BartConfig(
        vocab_size=65,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=3,
        forced_eos_token_id=None,
        num_labels=3,
    )
    return BartForSequenceClassification(config)


def llama(seed: int = 0) -> PreTrainedModel:
    """With rotary positions, which transformers completes in every config that speaks of them."""
    torch.manual_seed(seed)
    return LlamaForSequenceClassification(
        LlamaConfig(**SMALL, max_position_embeddings=32, pad_token_id=0, num_labels=3)
    )


def resnet(seed: int = 0) -> PreTrainedModel:
    """With statistics of batches, and without attention."""
    torch.manual_seed(seed)
    config = ResNetConfig(num_channels=1, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
    model = ResNetForImageClassification(config)
    model.train()(pixel_values=torch.randn(6, 1, 8, 8))
    return model.eval()


def tokenizer() -> Any:
    """One that tells segments, as BERT's does."""
    tiny = tiny_texts.tokenizer()
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tiny.backend_tokenizer, pad_token="[PAD]", model_max_length=32, model_input_names=names
    )


def vit(seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    small = {name: value for name, value in SMALL.items() if name != "vocab_size"}
    return ViTForImageClassification(ViTConfig(**small, image_size=8, patch_size=4, num_labels=3))


def text_inputs() -> dict[str, Tensor]:
    return dict(tokenizer()(tiny_texts.texts(5, 3)[0], padding=True, return_tensors="pt"))


def image_inputs() -> dict[str, Tensor]:
    return dict(tiny_images.processor()(tiny_images.images(4, 3)[0], return_tensors="pt"))


def feature_inputs() -> dict[str, Tensor]:
    return {"features": torch.tensor(tiny_features.dataset(4, 3)["features"])}


KINDS: dict[str, tuple[Callable[[], list[PreTrainedModel]], Callable[[], dict[str, Tensor]]]] = {
    "text": (lambda: [tiny_texts.model(0), tiny_texts.model(1)], text_inputs),
    "tied": (lambda: [bart(0), bart(1)], text_inputs),
    "rotary": (lambda: [llama(0), llama(1)], text_inputs),
    "mixed": (lambda: [distilbert(), tiny_texts.model(), llama()], text_inputs),
    "image": (lambda: [tiny_images.model(0), tiny_images.model(1)], image_inputs),
    "mixed_image": (lambda: [resnet(), tiny_images.model()], image_inputs),
    "features": (lambda: [tiny_features.model(0), tiny_features.model(1)], feature_inputs),
}
KIND = pytest.mark.parametrize("kind", KINDS)


def made(kind: str) -> tuple[list[PreTrainedModel], dict[str, Tensor]]:
    networks, inputs = KINDS[kind]
    return [named(network).eval() for network in networks()], inputs()


def alone(network: PreTrainedModel, inputs: dict[str, Tensor]) -> Tensor:
    names = inspect.signature(network.forward).parameters
    with torch.no_grad():
        logits: Tensor = network(**{name: value for name, value in inputs.items() if name in names}).logits
    return logits.float()


def logits_of(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(**inputs).logits
    return logits


# Logits


@KIND
def test_logits_are_the_mean_of_the_members(kind: str) -> None:
    networks, inputs = made(kind)
    logits = logits_of(Ensemble.of(networks), inputs)
    by_hand = sum(alone(network, inputs) for network in networks) / len(networks)
    torch.testing.assert_close(logits, by_hand, rtol=0, atol=1e-6)
    assert logits.shape == (len(next(iter(inputs.values()))), 3)
    if len(networks) == 2:
        total = alone(networks[0], inputs) + alone(networks[1], inputs)
        assert torch.equal(logits.argmax(-1), total.argmax(-1))


def test_one_member_is_its_own_ensemble() -> None:
    network, inputs = tiny_texts.model().eval(), text_inputs()
    assert torch.equal(logits_of(Ensemble.of([network]), inputs), alone(network, inputs))


def test_the_loss_is_the_cross_entropy_of_the_mean() -> None:
    networks, inputs = made("text")
    ensemble, labels = Ensemble.of(networks), torch.tensor([0, 1, 2, 0, 1])
    output = ensemble(**inputs, labels=labels)
    probs = logits_of(ensemble, inputs).softmax(-1)
    torch.testing.assert_close(output.loss, -probs[range(5), labels].log().mean())
    loss, logits = ensemble(**inputs, labels=labels, return_dict=False)
    assert torch.equal(loss, output.loss)
    assert torch.equal(logits, output.logits)
    assert ensemble(**inputs).loss is None


def test_logits_are_float32_where_weights_are_not() -> None:
    networks, inputs = made("text")
    halves = [network.to(torch.bfloat16) for network in networks]
    logits = logits_of(Ensemble.of(halves), inputs)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, (alone(halves[0], inputs) + alone(halves[1], inputs)) / 2)


def test_members_are_given_what_they_name_and_nothing_is_lost_unnoticed() -> None:
    inputs = text_inputs()
    assert "token_type_ids" in inputs
    only = Ensemble.of([distilbert(0).eval(), distilbert(1).eval()])
    without = {name: value for name, value in inputs.items() if name != "token_type_ids"}
    assert torch.equal(logits_of(only, inputs), logits_of(only, without))
    with pytest.raises(TypeError, match="no member has: attention_maks"):
        only(**without, attention_maks=inputs["attention_mask"])
    # Beyond the usual inputs, what a member names.
    image, pixels = Ensemble.of([tiny_images.model().eval()]), torch.randn(2, 1, 12, 12)
    assert image(pixel_values=pixels, interpolate_pos_encoding=True).logits.shape == (2, 3)


def test_second_segments_reach_those_who_know_them() -> None:
    inputs = text_inputs()
    changed = {**inputs, "token_type_ids": torch.ones_like(inputs["input_ids"])}
    bert = tiny_texts.model().eval()
    mixed = Ensemble.of([distilbert().eval(), bert])
    assert not torch.equal(alone(bert, inputs), alone(bert, changed))
    moved = logits_of(mixed, changed) - logits_of(mixed, inputs)
    torch.testing.assert_close(moved, (alone(bert, changed) - alone(bert, inputs)) / 2, rtol=0, atol=1e-6)


@KIND
def test_gradients_reach_all_members(kind: str) -> None:
    networks, inputs = made(kind)
    ensemble = Ensemble.of(networks)
    size = len(next(iter(inputs.values())))
    ensemble(**inputs, labels=torch.arange(size) % 3).loss.backward()
    for network in networks:
        with_gradient = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters()]
        assert sum(with_gradient) > len(with_gradient) / 2


# Wrapping


@KIND
def test_of_shares_weights_draws_nothing_and_leaves_modes(kind: str) -> None:
    networks = made(kind)[0]
    networks[0].train()
    networks[1].eval()
    # What a person adds to a loaded model, transformers takes for a layer without weights yet.
    head = nn.Linear(4, 4)
    networks[1].extra = head
    before = [{name: (p.data_ptr(), p.clone()) for name, p in network.named_parameters()} for network in networks]
    modes = [{name: part.training for name, part in network.named_modules()} for network in networks]
    configs = [copy.deepcopy(network.config) for network in networks]
    state = torch.get_rng_state()
    ensemble = Ensemble.of(networks)
    assert torch.equal(torch.get_rng_state(), state)
    assert not ensemble.training
    for member, network, weights, mode, config in zip(ensemble.members, networks, before, modes, configs, strict=True):
        assert member is network
        now = dict(network.named_parameters())
        assert all(
            now[name].data_ptr() == place and torch.equal(now[name], old) for name, (place, old) in weights.items()
        )
        assert {name: part.training for name, part in network.named_modules()} == mode
        assert network.config == config


def test_an_ensemble_is_a_module_as_any() -> None:
    networks, inputs = made("text")
    ensemble, other = Ensemble.of(networks), Ensemble.of([tiny_texts.model(5), tiny_texts.model(6)])
    assert set(ensemble.state_dict()) == {f"members.{i}.{k}" for i in (0, 1) for k in networks[0].state_dict()}
    other.load_state_dict(ensemble.state_dict())
    other.eval()
    assert not any(part.training for part in other.modules())
    assert torch.equal(logits_of(other, inputs), logits_of(ensemble, inputs))
    other.train()
    assert all(part.training for part in other.modules())
    assert {p.dtype for p in other.to(torch.float64).parameters()} == {torch.float64}
    assert ensemble.num_parameters() == 2 * networks[0].num_parameters()


def test_a_copy_of_an_ensemble_has_its_own_weights() -> None:
    ensemble = Ensemble.of(made("text")[0])
    copied = copy.deepcopy(ensemble)
    assert torch.equal(logits_of(copied, text_inputs()), logits_of(ensemble, text_inputs()))
    assert copied.members[0].classifier.weight.data_ptr() != ensemble.members[0].classifier.weight.data_ptr()


def test_members_are_new_without_networks() -> None:
    config = Ensemble.of(made("mixed")[0]).config
    torch.manual_seed(0)
    first = Ensemble(config)
    torch.manual_seed(0)
    second = AutoModelForSequenceClassification.from_config(config)
    assert [type(member).__name__ for member in first.members] == [
        "DistilBertForSequenceClassification",
        "BertForSequenceClassification",
        "LlamaForSequenceClassification",
    ]
    assert torch.equal(logits_of(first.eval(), text_inputs()), logits_of(second.eval(), text_inputs()))
    # Each as it would be alone: none is initialised twice.
    torch.manual_seed(0)
    for member in first.members:
        by_itself = AutoModelForSequenceClassification.from_config(member.config).state_dict()
        assert all(torch.equal(value, by_itself[name]) for name, value in member.state_dict().items())


@pytest.mark.parametrize("kind", ["text", "image", "features"])
def test_the_modality_is_that_of_the_members(kind: str) -> None:
    processors: dict[str, Any] = {"text": tiny_texts.tokenizer(), "image": tiny_images.processor(), "features": None}
    ensemble = Ensemble.of(made(kind)[0])
    assert modality_of(ensemble, processors[kind]).name == kind
    assert ensemble.main_input_name == ensemble.members[0].main_input_name


# Saving


@pytest.mark.slow
@KIND
def test_saved_and_loaded_logits_are_bit_identical(kind: str, tmp_path: Path) -> None:
    networks, inputs = made(kind)
    ensemble = Ensemble.of(networks)
    ensemble.save_pretrained(tmp_path)
    expected = logits_of(ensemble, inputs)
    loaders: list[Any] = [Ensemble, AutoModelForSequenceClassification, AutoModelForImageClassification]
    for loader in loaders:
        loaded, info = loader.from_pretrained(tmp_path, output_loading_info=True)
        assert isinstance(loaded, Ensemble)
        assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        assert [type(member) for member in loaded.members] == [type(network) for network in networks]
        assert not loaded.training
        assert torch.equal(logits_of(loaded, inputs), expected)
        assert loaded.main_input_name == ensemble.main_input_name
        assert [loaded.config.id2label[i] for i in range(3)] == NAMES
        assert loaded.config.members == ensemble.config.members
    # And once more, from what was loaded.
    loaded.save_pretrained(tmp_path / "again")
    assert torch.equal(logits_of(Ensemble.from_pretrained(tmp_path / "again"), inputs), expected)


def test_tied_weights_are_saved_once_and_tied_again(tmp_path: Path) -> None:
    ensemble = Ensemble.of(made("tied")[0])
    ensemble.save_pretrained(tmp_path)
    loaded = Ensemble.from_pretrained(tmp_path)
    for model in (ensemble, loaded):
        for member in model.members:
            assert member.model.encoder.embed_tokens.weight is member.model.shared.weight
    fewer = sum(p.numel() for p in ensemble.parameters())
    assert sum(p.numel() for p in loaded.parameters()) == fewer
    assert (tmp_path / "model.safetensors").stat().st_size < 4 * fewer + 60_000


@pytest.mark.parametrize("kind", ["text", "mixed", "mixed_image", "features"])
def test_loading_in_bf16(kind: str, tmp_path: Path) -> None:
    networks, inputs = made(kind)
    Ensemble.of(networks).save_pretrained(tmp_path)
    loaded = Ensemble.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}
    if "image" in kind:
        inputs = {name: value.to(torch.bfloat16) for name, value in inputs.items()}
    cast = Ensemble.of([network.to(torch.bfloat16) for network in networks])
    assert torch.equal(logits_of(loaded, inputs), logits_of(cast, inputs))
    # What was saved in bf16 is loaded in it, and in float32 on request.
    cast.save_pretrained(tmp_path / "half")
    assert Ensemble.from_pretrained(tmp_path / "half").dtype == torch.bfloat16
    assert Ensemble.from_pretrained(tmp_path / "half", dtype=torch.float32).dtype == torch.float32


def test_an_attention_that_was_asked_for_is_that_of_the_members(tmp_path: Path) -> None:
    networks, _ = made("text")
    Ensemble.of(networks).save_pretrained(tmp_path)
    eager = Ensemble.from_pretrained(tmp_path, attn_implementation="eager")
    assert {member.config._attn_implementation for member in eager.members} == {"eager"}
    usual = Ensemble.from_pretrained(tmp_path)
    assert [m.config._attn_implementation for m in usual.members] == [n.config._attn_implementation for n in networks]


@pytest.mark.slow
@KIND
def test_a_member_alone_is_a_plain_checkpoint(kind: str, tmp_path: Path) -> None:
    networks, inputs = made(kind)
    Ensemble.of(networks).save_pretrained(tmp_path / "both")
    Ensemble.from_pretrained(tmp_path / "both").members[1].save_pretrained(tmp_path / "one")
    auto = AutoModelForImageClassification if "image" in kind else AutoModelForSequenceClassification
    loaded = auto.from_pretrained(tmp_path / "one")
    assert type(loaded) is type(networks[1])
    assert torch.equal(alone(loaded, inputs), alone(networks[1], inputs))
    assert [loaded.config.id2label[i] for i in range(3)] == NAMES


@pytest.mark.slow
def test_a_member_alone_loads_without_textssl(tmp_path: Path) -> None:
    Ensemble.of(made("text")[0]).members[0].save_pretrained(tmp_path)
    program = (
        "import sys; from transformers import AutoModelForSequenceClassification as M; "
        f"print(type(M.from_pretrained({str(tmp_path)!r})).__name__, 'textssl' in sys.modules)"
    )
    done = run_python(["-c", program])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["BertForSequenceClassification", "False"]


def test_a_saved_config_tells_no_folder_of_this_machine(tmp_path: Path) -> None:
    tiny_texts.model().save_pretrained(tmp_path / "one")
    network = BertForSequenceClassification.from_pretrained(tmp_path / "one")
    ensemble = Ensemble.of([network])
    assert ensemble.config.name_or_path == str(tmp_path / "one")
    ensemble.save_pretrained(tmp_path / "both")
    assert str(tmp_path) not in (tmp_path / "both" / "config.json").read_text()


@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_teacher_may_be_an_ensemble(modality: str, tmp_path: Path) -> None:
    networks, inputs = made(modality)
    ensemble = Ensemble.of(networks)
    ensemble.save_pretrained(tmp_path)
    {"text": tiny_texts.tokenizer(), "image": tiny_images.processor()}[modality].save_pretrained(tmp_path)
    teacher, processor = load_teacher(str(tmp_path), modality)
    assert torch.equal(logits_of(teacher.eval(), inputs), logits_of(ensemble, inputs))
    assert modality_of(teacher, processor).name == modality


@pytest.mark.slow
def test_teachers_know_ensembles_by_themselves(tmp_path: Path) -> None:
    Ensemble.of(made("text")[0]).save_pretrained(tmp_path)
    tiny_texts.tokenizer().save_pretrained(tmp_path)
    program = (
        "from textssl.self_training.teachers import load_teacher\n"
        f"print(type(load_teacher({str(tmp_path)!r}, 'text')[0]).__name__)"
    )
    done = run_python(["-c", program])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Ensemble"]


# Pipelines


@pytest.mark.parametrize("kind", ["text", "mixed", "distilbert", "llama"])
def test_text_pipeline(kind: str, tmp_path: Path) -> None:
    networks = {
        "text": lambda: made("text")[0],
        "mixed": lambda: made("mixed")[0],
        "distilbert": lambda: [named(distilbert(0)), named(distilbert(1))],
        "llama": lambda: made("rotary")[0],
    }[kind]()
    ensemble = Ensemble.of([network.eval() for network in networks])
    ensemble.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    texts = tiny_texts.texts(4, 5)[0]
    classify = pipeline("text-classification", model=str(tmp_path), device="cpu")
    assert "token_type_ids" in classify.tokenizer(texts)
    assert isinstance(classify.model, Ensemble)
    for text, told in zip(texts, classify(texts, top_k=None), strict=True):
        inputs = dict(tokenizer()(text, return_tensors="pt"))
        probs = logits_of(ensemble, inputs).softmax(-1)[0]
        assert {entry["label"]: entry["score"] for entry in told} == pytest.approx(
            dict(zip(NAMES, probs.tolist(), strict=True)), abs=1e-6
        )
    assert len(classify(texts, batch_size=2)) == 4


def test_image_pipeline(tmp_path: Path) -> None:
    networks = [vit(0), vit(1)]
    ensemble = Ensemble.of([named(network).eval() for network in networks])
    ensemble.save_pretrained(tmp_path)
    # A pipeline makes all images colour.
    processor = ViTImageProcessorPil(size={"height": 8, "width": 8})
    processor.save_pretrained(tmp_path)
    images = [image.convert("RGB") for image in tiny_images.images(4, 5)[0]]
    classify = pipeline("image-classification", model=str(tmp_path), device="cpu")
    assert isinstance(classify.model, Ensemble)
    for image, told in zip(images, classify(images), strict=True):
        probs = logits_of(ensemble, dict(processor(image, return_tensors="pt"))).softmax(-1)[0]
        assert {entry["label"]: entry["score"] for entry in told} == pytest.approx(
            dict(zip(NAMES, probs.tolist(), strict=True)), abs=1e-6
        )


def test_trainer_sees_the_inputs_and_averages_losses_itself() -> None:
    ensemble = Ensemble.of(made("text")[0])
    names = set(inspect.signature(ensemble.forward).parameters)
    assert {"input_ids", "attention_mask", "token_type_ids", "pixel_values", "features", "labels"} <= names
    assert ensemble.accepts_loss_kwargs is False


# Config


def test_the_config_survives_json_copies_and_pickles(tmp_path: Path) -> None:
    config = Ensemble.of(made("mixed")[0]).config
    config.save_pretrained(tmp_path)
    for again in (
        EnsembleConfig.from_pretrained(tmp_path),
        AutoConfig.from_pretrained(tmp_path),
        EnsembleConfig(**config.to_dict()),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
    ):
        assert again.members == config.members
        assert again.id2label == config.id2label
        assert again.label2id == config.label2id
        assert again.pad_token_id == config.pad_token_id
        assert [AutoConfig.for_model(**member).model_type for member in again.members] == [
            "distilbert",
            "bert",
            "llama",
        ]
    assert EnsembleConfig().members == []
    assert EnsembleConfig(num_labels=4).num_labels == 4


def test_labels_may_be_renamed(tmp_path: Path) -> None:
    ensemble = Ensemble.of(made("text")[0])
    ensemble.config.id2label = {0: "a", 1: "b", 2: "c"}
    ensemble.save_pretrained(tmp_path)
    assert Ensemble.from_pretrained(tmp_path).config.id2label == {0: "a", 1: "b", 2: "c"}


def test_what_the_config_lacks_is_read_from_the_first_member() -> None:
    text = EnsembleConfig(members=[distilbert().config.to_dict(), tiny_texts.model().config.to_dict()])
    assert (text.vocab_size, text.pad_token_id, text.dim) == (65, 0, 16)
    # By all the names that the member's config has for it.
    assert (text.hidden_size, text.num_hidden_layers, text.num_attention_heads) == (16, 1, 2)
    assert not hasattr(text, "num_channels")
    assert not hasattr(text, "no_such_setting")
    assert getattr(text, "input_size", None) is None
    image = EnsembleConfig(members=[tiny_images.model().config.to_dict()])
    assert (image.num_channels, image.image_size, image.patch_size) == (1, 8, 4)
    assert EnsembleConfig(members=[tiny_features.model().config.to_dict()]).input_size == tiny_features.SIZE
    assert image.problem_type is None
    given = {**tiny_texts.model().config.to_dict(), "problem_type": "single_label_classification"}
    assert EnsembleConfig(members=[given]).problem_type == "single_label_classification"
    # Its own settings come first.
    assert "vocab_size" not in text.to_dict()
    assert EnsembleConfig(members=text.members, vocab_size=7).vocab_size == 7


def test_positions_are_those_that_all_members_have() -> None:
    bert = tiny_texts.model()
    assert position_limit(Ensemble.of([bert, bert])) == 32
    assert position_limit(Ensemble.of([bert, distilbert()])) == 24
    # Of RoBERTa's 20, two are of no use.
    assert position_limit(Ensemble.of([bert, roberta()])) == 18
    assert position_limit(Ensemble.of([tiny_features.model()])) is None


# What is refused


def test_networks_that_cannot_be_averaged() -> None:
    with pytest.raises(UserError, match="networks: got none"):
        Ensemble.of([])
    with pytest.raises(UserError, match="networks: got none"):
        Ensemble(EnsembleConfig())
    with pytest.raises(UserError, match=r"networks: number 1 has 3 labels \(bad, fair, good\), the first one 3"):
        Ensemble.of([tiny_texts.model(), named(tiny_texts.model())])
    other = BertForSequenceClassification(BertConfig(**SMALL, max_position_embeddings=32, num_labels=2))
    with pytest.raises(UserError, match="networks: number 1 has 2 labels"):
        Ensemble.of([tiny_texts.model(), other])
    for pair in ([tiny_texts.model(), tiny_images.model()], [tiny_images.model(), tiny_features.model()]):
        with pytest.raises(UserError, match=r"networks: number 1 takes '\w+', the first one '\w+'"):
            Ensemble.of(pair)


def test_a_network_of_an_unknown_class_is_wrapped_all_the_same() -> None:
    networks = [ConvNet(ConvNetConfig(num_labels=3)).eval() for _ in range(2)]
    pixels = torch.randn(2, 1, 8, 8)
    expected = (networks[0](pixels).logits + networks[1](pixels).logits) / 2
    torch.testing.assert_close(Ensemble.of(networks)(pixel_values=pixels).logits, expected)


def test_configs_that_make_no_classifier() -> None:
    with pytest.raises(UserError, match="members: got model_type 'no-such-model'"):
        Ensemble(EnsembleConfig(members=[{"model_type": "no-such-model"}]))
    with pytest.raises(UserError, match="members: got model_type None"):
        Ensemble(EnsembleConfig(members=[{}]))
    speech = AutoConfig.for_model("vits").to_dict()
    with pytest.raises(UserError, match="members: got model_type 'vits'; expected a classifier"):
        Ensemble(EnsembleConfig(members=[speech]))
    members = [tiny_features.model().config.to_dict()]
    with pytest.raises(UserError, match="num_labels: got 5; the members have 3"):
        Ensemble(EnsembleConfig(members=members, num_labels=5))
    assert isinstance(Ensemble(EnsembleConfig(members=members)).members[0], FeatureClassifier)
