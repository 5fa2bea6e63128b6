"""The code of a model card: how the saved model is loaded and called."""

from __future__ import annotations

from textssl.hub.facts import RunFacts


__all__ = ["code_lines"]

POOLED = "import textssl.models  # makes this kind of model known to transformers"


def code_lines(facts: RunFacts, model: str, comment: str) -> list[str]:
    """Code that loads a model and calls it, line by line.

    Args:
        facts: what is known of the run.
        model: its id on the Hub, or its folder.
        comment: put behind the line that names it.
    """
    if facts.adapters:
        return _adapter_code(facts, model, comment)
    if facts.task is not None:
        return _pipeline(facts, model, comment)
    home, name = ("models", "Ensemble") if facts.ensemble else ("features", "FeatureClassifier")
    made = "as described below" if facts.features_alone else "of the encoder that classifier.config.encoder names"
    return [
        f"from textssl.{home} import {name}",
        "",
        f'classifier = {name}.from_pretrained("{model}"){comment}',
        f"classifier(features=vectors).logits  # [B, D], {made}",
    ]


def _pipeline(facts: RunFacts, model: str, comment: str) -> list[str]:
    """Code that makes a pipeline, one that cuts texts as training did, and calls it."""
    (imports, options), code = _cutting(facts), []
    if facts.ensemble:
        code.append("import textssl.models  # makes a model of several networks known to transformers")
    elif facts.pooled:
        code.append(POOLED)
    code += ["from transformers import pipeline", *imports]
    made = f'classifier = pipeline("{facts.task}", model="{model}"{options}){comment}'
    return [*code, "", made, f"classifier({_example(facts)})"]


def _example(facts: RunFacts) -> str:
    """What a pipeline is called with."""
    if facts.task != "text-classification":
        return '"some_image.png"'
    if facts.texts is not None and facts.texts.pairs:
        return '{"text": "Some text.", "text_pair": "Another text."}'
    return '"Some text."'


def _cutting(facts: RunFacts) -> tuple[list[str], str]:
    """What is imported for a pipeline that cuts texts as training did, and how it is asked to."""
    if facts.task != "text-classification":
        return [], ""
    if facts.texts is not None and facts.texts.truncation == "head_tail":
        return ["from textssl.pipelines import HeadTailPipeline"], ", pipeline_class=HeadTailPipeline"
    return [], ", truncation=True"


def _adapter_code(facts: RunFacts, model: str, comment: str) -> list[str]:
    """How adapters are loaded: the base by its name, with the classes' names, which peft's own files do not hold."""
    task = "ImageClassification" if facts.task == "image-classification" else "SequenceClassification"
    part = "image_processor" if facts.task == "image-classification" else "tokenizer"
    loader = "AutoImageProcessor" if facts.task == "image-classification" else "AutoTokenizer"
    imports, options = _cutting(facts)
    return [
        *([POOLED] if facts.pooled else []),
        "from peft import PeftConfig, PeftModel",
        f"from transformers import AutoConfig, AutoModelFor{task}, {loader}, pipeline",
        *imports,
        "",
        f'folder = "{model}"{comment}',
        "base = PeftConfig.from_pretrained(folder).base_model_name_or_path",
        f"network = AutoModelFor{task}.from_pretrained(base, config=AutoConfig.from_pretrained(folder))",
        "network = PeftModel.from_pretrained(network, folder).merge_and_unload()",
        f"reader = {loader}.from_pretrained(folder)",
        f'classifier = pipeline("{facts.task}", model=network, {part}=reader{options})',
        f"classifier({_example(facts)})",
    ]
