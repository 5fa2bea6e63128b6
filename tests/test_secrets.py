"""Text and settings without secrets."""

from __future__ import annotations

import pytest

from textssl import FixMatchConfig
from textssl.errors import UserError
from textssl.hub import changed_hyperparameters
from textssl.secrets import check_token, environment_tokens, is_secret_name, redacted


@pytest.mark.parametrize("name", ["hub_token", "token", "push_to_hub_token", "api_key", "wandb_apikey", "db_password"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "mask_share", "secretary", "keep_end", "token_weight"])
def test_names_of_others(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Illegal header value b'Bearer s3same0'", "Illegal header value b'Bearer <TOKEN>'"),
        ("s3same0", "<TOKEN>"),
        ("an unknown hf_AbCdEfGhIjKl here", "an unknown <TOKEN> here"),
        ("https://me:word@host/path", "https://<TOKEN>@host/path"),
        ("https://host:8080/path", "https://host:8080/path"),
        ("half_hf_thing, hf_hub", "half_hf_thing, hf_hub"),
        ({"a": ["s3same0", 1], "b": None}, {"a": ["<TOKEN>", 1], "b": None}),
        ({"hub_token": "x"}, {"hub_token": "<HUB_TOKEN>"}),
        ({"hub_token": None, "n_token": 3}, {"hub_token": None, "n_token": 3}),
        (("plain", 0.5), ("plain", 0.5)),
    ],
)
def test_secrets_are_replaced(value: object, expected: object) -> None:
    assert redacted(value, ["s3same0"]) == expected


def test_a_short_secret_is_no_part_of_words() -> None:
    assert redacted("cat", ["cat"]) == "<TOKEN>"
    assert redacted("concatenate", ["cat"]) == "concatenate"


def test_tokens_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", " one \n")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "two")
    assert environment_tokens() == {"one", "two"}
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN")
    assert environment_tokens() == set()


def test_tokens_are_checked() -> None:
    for token in (None, "", "hf_abc", "any.thing-else_1"):
        check_token("hub_token", token)
    with pytest.raises(UserError, match=r"^hub_token: got text that is no token"):
        check_token("hub_token", "two words")


def test_the_card_of_a_model_has_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments of other libraries take text of any kind."""
    monkeypatch.setenv("HF_TOKEN", "s3sameOpen")
    config = FixMatchConfig("out", report_to=[], hub_token="0therOne", optim_args="key=s3sameOpen,other=0therOne")
    assert changed_hyperparameters(config)["optim_args"] == "key=<TOKEN>,other=<TOKEN>"


def test_the_token_that_is_logged_in_may_be_meant() -> None:
    assert check_token("hub_token", True) is None
