"""Which encoders run: BERTs, and those that compute what a BERT computes and are written as one. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.errors import InputError
from pipeline.common.files import read_object, write_config

_ROBERTA = {
    "roberta.": "bert.",
    "lm_head.bias": "cls.predictions.bias",
    "lm_head.decoder.": "cls.predictions.decoder.",
    "lm_head.dense.": "cls.predictions.transform.dense.",
    "lm_head.layer_norm.": "cls.predictions.transform.LayerNorm.",
}
_DISTILBERT = {
    "distilbert.transformer.": "bert.encoder.",
    "distilbert.": "bert.",
    **{f".attention.{name[0]}_lin.": f".attention.self.{name}." for name in ("query", "key", "value")},
    ".attention.out_lin.": ".attention.output.dense.",
    ".sa_layer_norm.": ".attention.output.LayerNorm.",
    ".ffn.lin1.": ".intermediate.dense.",
    ".ffn.lin2.": ".output.dense.",
    ".output_layer_norm.": ".output.LayerNorm.",
    "vocab_transform.": "cls.predictions.transform.dense.",
    "vocab_layer_norm.": "cls.predictions.transform.LayerNorm.",
    "vocab_projector.bias": "cls.predictions.bias",
    "vocab_projector.weight": "cls.predictions.decoder.weight",
}
_ROBERTA_HEAD = {"classifier.dense.": "bert.pooler.dense.", "classifier.out_proj.": "classifier."}
"""RoBERTa's classifier is a BERT's pooler and classifier under other names (``RobertaClassificationHead``)."""
LIKE_BERT: Mapping[str, Mapping[str, str]] = {
    "distilbert": _DISTILBERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
}
"""model_type -> parts of their weights' names, and a BERT's."""
_SIZES = {
    **{"dim": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads"},
    **{"hidden_dim": "intermediate_size", "activation": "hidden_act", "dropout": "hidden_dropout_prob"},
    "attention_dropout": "attention_probs_dropout_prob",
}
"""DistilBERT's words in config.json, and BERT's."""
_DISTANCES = "its attention reads distances between tokens, which a BERT's does not"
_OTHERS = {
    "albert": "all its layers are one set of weights, so none can be frozen by itself",
    "deberta": _DISTANCES,
    "deberta-v2": _DISTANCES,
    "electra": "it was trained to spot replaced words, and has no head that guesses hidden ones",
    "modernbert": "its layers turn positions and look near and far by turns, which a BERT's do not",
    "mpnet": _DISTANCES,
}
INSTEAD = "google-bert/bert-base-uncased, or for other languages google-bert/bert-base-multilingual-cased"


def check(config: Mapping[str, Any], place: str, *, alike: bool = True) -> None:
    """Refuse a config.json of another architecture, with why and what to take instead.

    Args:
        alike: take those of ``LIKE_BERT``, too.
    """
    kind, positions = config.get("model_type"), config.get("position_embedding_type") or "absolute"
    if kind == "bert" or (alike and kind in LIKE_BERT):
        if positions != "absolute":
            raise InputError(f"{place}: its position_embedding_type is {positions!r}; {_DISTANCES}; take {INSTEAD}")
        return
    if kind in LIKE_BERT:
        raise InputError(f"{place}: its model_type is {kind!r}, which only a base (source.model) may be")
    why = _OTHERS.get(str(kind), "Retone freezes, looks into and grows the layers of a BERT")
    raise InputError(f"{place}: its model_type is {kind!r}; {why}; take {INSTEAD}")


def check_folder(folder: Path, place: str) -> None:
    """Refuse a folder of another architecture. Whatever else may be wrong there, the loader says."""
    try:
        check(read_object(folder / "config.json"), place)
    except (OSError, ValueError, RecursionError):
        return


def check_head(config: Mapping[str, Any], place: str) -> None:
    """Refuse a classifier that no BERT's pooler and classifier compute."""
    if config.get("model_type") == "distilbert":
        raise InputError(
            f"{place}: DistilBERT's classifier has a ReLU where a BERT's pooler has a tanh, so it cannot be kept; set "
            "source.classifier to new"
        )


def in_berts_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json with a BERT's names for sizes, and with as many positions as a text can have."""
    if config.get("model_type") not in LIKE_BERT:
        return dict(config)
    told = {_SIZES.get(name, name): value for name, value in config.items()}
    skipped, positions = _skipped(config), told.get("max_position_embeddings")
    if isinstance(skipped, int) and isinstance(positions, int):
        told["max_position_embeddings"] = positions - skipped
    return told


def _skipped(config: Mapping[str, Any]) -> int | None:
    """Rows of positions before that of a text's first token; None: it cannot be told."""
    padding = config.get("pad_token_id", 1)
    if config.get("model_type") == "distilbert":
        return 0
    return padding + 1 if isinstance(padding, int) and padding >= 0 else None


def as_bert(folder: Path, into: Path, *, head: bool = False) -> Path:
    """The folder itself, or ``into``, with weights and config of a BERT that computes the same.

    Args:
        head: with its classifier, where it has one; else a pooler and a classifier start anew.

    DistilBERT is a BERT without kinds of sentences and pooler (Sanh et al. 2019, "DistilBERT, a distilled version of
    BERT", section 3); RoBERTa is one whose positions are counted from the padding's number + 1 (Liu et al. 2019,
    "RoBERTa", section 3, and its configuration in ``transformers``).

    Raises:
        InputError: weights that cannot be read or have no embeddings, or no number of the padding to count from.
    """
    config = read_object(folder / "config.json")
    kind = str(config.get("model_type"))
    if kind not in LIKE_BERT:
        return folder
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    try:
        weights = {
            _renamed(name, kind, head): weight
            for path in sorted(folder.glob("*.safetensors"))
            for name, weight in load_file(path).items()
            if not name.endswith("position_ids")
        }
    except (OSError, SafetensorError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise InputError(f"model {folder}: its weights cannot be loaded ({reason}); fetch or build it again") from None
    words, places, kinds = (f"bert.embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type"))
    for name in (words, places) if kind == "distilbert" else (words, places, kinds):
        if name not in weights or weights[name].dim() != 2:  # rows x dimensions
            raise InputError(f"model {folder}: its weights hold no rows of {name}; fetch or build it again")
    skipped = _skipped(config)
    if skipped is None or skipped >= len(weights[places]):
        raise InputError(
            f"model {folder}: config.json says pad_token_id {config.get('pad_token_id')!r}, and its positions are "
            "counted from that; write the padding's number there (RoBERTa's is 1)"
        )
    weights[places] = weights[places][skipped:].clone()
    if kind == "distilbert":
        weights[kinds] = weights[words].new_zeros(1, weights[words].shape[1])
    told = in_berts_words(config) | {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    told |= {"type_vocab_size": len(weights[kinds]), "max_position_embeddings": len(weights[places])}
    into.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.contiguous() for name, weight in weights.items()}, into / "model.safetensors")
    write_config(into / "config.json", told)
    return into


def _renamed(name: str, kind: str, head: bool) -> str:
    if name.startswith(("embeddings.", "encoder.", "transformer.", "pooler.")):  # saved without a head
        name = f"{'distilbert' if kind == 'distilbert' else 'roberta'}.{name}"
    for theirs, ours in {**LIKE_BERT[kind], **(_ROBERTA_HEAD if head else {})}.items():
        name = name.replace(theirs, ours, 1)
    return name
