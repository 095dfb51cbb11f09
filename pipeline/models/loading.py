"""Loading and saving BERTs: safetensors only, pooler and MLM head carried along, tokenizer checked against the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertTokenizerFast, PreTrainedModel
from transformers.utils import logging as transformers_logging

from pipeline.common.errors import InputError
from pipeline.common.files import digest, read_object, write_config, write_whole
from pipeline.common.labels import ID_TO_LABEL, LABEL_TO_ID
from pipeline.common.validation import nearest
from pipeline.models import architectures
from pipeline.models.classifier import Classifier
from pipeline.models.masked_lm import MaskedLM
from pipeline.text.cleaning import RULES
from pipeline.text.emoji import named_in

EMOJI_FILE = "retone.json"
EMOJI_MODES = ("all", "words", "none")
CLASSIFIER = ("classifier.weight", "classifier.bias")
_ENCODER = ("embeddings.", "encoder.")
_SIZES = (
    *("vocab_size", "max_position_embeddings", "type_vocab_size"),
    *("num_hidden_layers", "hidden_size", "intermediate_size"),
)


def check_folder(folder: Path, *, alike: bool = False) -> dict[str, Any]:
    """Refuse a folder that is no BERT, or that could run code when loaded; return its config.

    Args:
        alike: take what can be written as a BERT, too (``architectures``).

    Raises:
        InputError: no config.json, another architecture, code of its own, or weights only as pickle.
    """
    config = _description(folder, "config.json")
    if config is None:
        raise InputError(f"model {folder}: no config.json there; give the folder of a saved BERT")
    architectures.check(config, f"model {folder}", alike=alike)
    if not list(folder.glob("*.safetensors")):
        pickles = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.ckpt")]
        found = f"only {pickles[0].name}, a pickle, which can run code when loaded" if pickles else "no weights"
        raise InputError(f"model {folder}: {found}; convert it to model.safetensors (save_pretrained writes that)")
    for index in folder.glob("*.index.json"):
        named = (_description(folder, index.name) or {}).get("weight_map")
        for name in named.values() if isinstance(named, dict) else [named]:
            if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
                raise InputError(
                    f"model {folder}: {index.name} names {name!r} for weights; only *.safetensors beside it are loaded"
                )
    if config["model_type"] == "bert":
        _check_size(config, folder)
    return config


def _check_size(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse a config that describes more weights than the files hold bytes: all would be made before any is read."""
    sizes = {name: config.get(name, usual) for name, usual in BertConfig().to_dict().items() if name in _SIZES}
    if not all(isinstance(size, int) for size in sizes.values()):
        return  # which the loader says
    vocabulary, positions, kinds, layers, hidden, inner = (sizes[name] for name in _SIZES)
    weights = (vocabulary + positions + kinds) * hidden + layers * (4 * hidden * hidden + 2 * hidden * inner)
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if weights > held:
        raise InputError(
            f"model {folder}: its weights cannot be loaded (config.json describes {weights:,}, the files hold "
            f"{held:,} bytes); fetch or build it again"
        )


def _description(folder: Path, name: str) -> dict[str, Any] | None:
    """One of the JSON files that describe a model, if it is there and names no code to run."""
    try:
        content = read_object(folder / name)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as problem:
        raise InputError(f"model {folder}: {name} cannot be read ({problem}); save the model again") from None
    if "auto_map" in content:
        raise InputError(f"model {folder}: {name} asks to run code (auto_map), which Retone never does; remove the key")
    return content


def load_tokenizer(folder: Path) -> BertTokenizerFast:
    """The tokenizer of a model folder, with a sane maximum length.

    Raises:
        InputError: none there, one that cannot be read or asks to run code, or one that lost its vocabulary.
    """
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt")):
        raise InputError(f"model {folder}: no tokenizer.json or vocab.txt; copy the model's tokenizer files there")
    _description(folder, "tokenizer_config.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except Exception as problem:  # tokenizers, in Rust, raises Exception itself
        raise InputError(f"model {folder}: its tokenizer cannot be loaded ({_line(problem)}); save it again") from None
    if len(tokenizer) < 30 or tokenizer.mask_token_id is None:
        raise InputError(
            f"model {folder}: its tokenizer has {len(tokenizer)} tokens and lacks BERT's; copy the right one"
        )
    told = check_folder(folder, alike=True) if (folder / "config.json").exists() else {}
    limit = architectures.in_berts_words(told).get("max_position_embeddings", 512)
    _lay_bare(tokenizer)
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit)
    return tokenizer


def _lay_bare(tokenizer: BertTokenizerFast) -> None:
    """Undo stored padding and cuts: some bases come with those they were made for, and every call leaves its own."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()


def load_base(folder: Path, beside: Path, *, head: bool = False) -> MaskedLM:
    """``load_masked_lm``, and of what can be written as a BERT (``architectures.as_bert``), done in ``beside``.

    Raises:
        InputError: as either of them; of ``folder``, wherever it was found.
    """
    written = architectures.as_bert(folder, beside, head=head)
    try:
        return load_masked_lm(written)
    except InputError as problem:
        raise InputError(str(problem).replace(str(written), str(folder))) from None


def load_masked_lm(folder: Path) -> MaskedLM:
    """The masked language model in a folder, in float32, in eval mode.

    ``model.missing`` tells the weights that the folder lacks and that therefore start random (an MLM head, a pooler);
    ``model.carried`` holds those of a classifier, if there is one.

    Raises:
        InputError: see ``check_folder``; or config, weights and tokenizer do not fit each other; or its head guesses by
            another matrix than the embeddings.
    """
    model: MaskedLM = _load(MaskedLM, folder, tie_word_embeddings=True)  # which leaves alone what is not the same
    head, rows = model.cls.predictions, model.bert.embeddings.word_embeddings.weight
    if head.decoder.weight is not rows or head.decoder.bias is not head.bias:
        raise InputError(
            f"model {folder}: its MLM head has output rows of its own (tie_word_embeddings: false), where Retone grows "
            f"and measures one matrix that is the embeddings, too; take {architectures.INSTEAD}"
        )
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as weights:
            model.carried |= {name: weights.get_tensor(name).float() for name in {*CLASSIFIER} & {*weights.keys()}}
    return model


def keep_classifier(model: MaskedLM, order: Sequence[int], place: str) -> None:
    """Have a model carry the classifier that it was loaded with, its outputs in the order of ``LABELS``.

    Args:
        order: which of its outputs stands for each class (``sources.class_order``).

    Raises:
        InputError: no classifier of these outputs there, or no pooler under it.
    """
    shape = (len(order), model.config.hidden_size)
    fits = [tuple(model.carried[name].shape) for name in CLASSIFIER if name in model.carried] == [shape, shape[:1]]
    if not fits or any("pooler" in name for name in model.missing):
        raise InputError(
            f"{place}: its weights hold no pooler and classifier of {len(order)} classes to keep; set "
            "source.classifier to new"
        )
    model.carried = {name: weight[list(order)].clone() for name, weight in model.carried.items()}
    model.config.id2label, model.config.label2id = dict(ID_TO_LABEL), dict(LABEL_TO_ID)


def load_classifier(folder: Path) -> Classifier:
    """The three-class classifier in a folder; a base or adapted model gets a new head, and keeps its pooler."""
    told = check_folder(folder).get("id2label")
    model = _load(Classifier, folder, num_labels=3, id2label=ID_TO_LABEL, label2id=LABEL_TO_ID)
    named = [told[key] for key in sorted(told)] if isinstance(told, dict) else []
    if "classifier.weight" not in model.missing and named != list(LABEL_TO_ID):
        raise InputError(
            f"model {folder}: its classes are {', '.join(map(str, named))}; {', '.join(LABEL_TO_ID)} needed"
        )
    model.accepts_loss_kwargs = False  # else Trainer scales the loss wrongly under gradient accumulation and DDP
    return model


def _load(kind: type[PreTrainedModel], folder: Path, **changes: Any) -> Any:
    check_folder(folder)
    level = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # what is missing is reported by us, in the artifact
    try:
        model, info = kind.from_pretrained(
            str(folder),
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **changes,
        )
    except (OSError, RuntimeError, ValueError, SafetensorError, StrictDataclassError) as problem:
        reason = "they do not fit config.json" if "mismatched_sizes" in str(problem) else _line(problem)
        raise InputError(f"model {folder}: its weights cannot be loaded ({reason}); fetch or build it again") from None
    finally:
        transformers_logging.set_verbosity(level)
    strange = next((name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()), None)
    if strange:
        raise InputError(f"model {folder}: weights in {strange} are not finite; fetch it again, or take an earlier one")
    model.missing = sorted(info["missing_keys"])
    lost = [name for name in model.missing if name.removeprefix("bert.").startswith(_ENCODER)]
    if lost:
        raise InputError(
            f"model {folder}: config.json asks for {len(lost)} weights that are not there, such as {lost[0]}; "
            "fetch or build it again"
        )
    left = sorted(name for name in info["unexpected_keys"] if name.removeprefix("bert.").startswith(_ENCODER))
    if left:
        raise InputError(
            f"model {folder}: config.json has no place for {len(left)} of its weights, such as {left[0]}; "
            "without them it computes something else than was trained; mend config.json, or take "
            f"{architectures.INSTEAD}"
        )
    if (folder / "tokenizer.json").exists():
        check_fit(len(load_tokenizer(folder)), model, folder)
    return model.eval()


def _line(problem: Exception) -> str:
    return (" ".join(str(problem).split()) or type(problem).__name__)[:200]


def check_fit(tokens: int, model: nn.Module, folder: Path) -> None:
    """Refuse a tokenizer with more tokens than the model has rows: it would fail at the first such token only."""
    rows = model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    if tokens > rows:
        raise InputError(
            f"model {folder}: tokenizer {tokens:,} tokens > model {rows:,} rows; resize the model's embeddings"
        )


def with_mlm_head(classifier: BertForSequenceClassification, masked_lm: MaskedLM) -> MaskedLM:
    """The encoder of a tuned classifier under another model's MLM head, as it is (METHOD: interface drift included)."""
    model = MaskedLM(masked_lm.config)
    model.load_state_dict(masked_lm.state_dict())
    encoder = dict(classifier.bert.state_dict())
    model.bert.load_state_dict(encoder)
    model.cls.load_state_dict(
        {**masked_lm.cls.state_dict(), "predictions.decoder.weight": encoder["embeddings.word_embeddings.weight"]}
    )
    return model.eval()


def save(
    model: PreTrainedModel,
    tokenizer: BertTokenizerFast,
    folder: Path,
    *,
    emoji: str,
    uncleaned: Sequence[str] = (),
    language: str = "en",
    dtype: str = "float32",
) -> None:
    """Write weights (safetensors), config, tokenizer and how texts must be prepared; loads in plain transformers."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = model if dtype == "float32" else model.to(getattr(torch, dtype))
    carried = {name: weight.to(stored.dtype) for name, weight in getattr(model, "carried", {}).items()}
    stored.save_pretrained(str(folder), **({"state_dict": stored.state_dict() | carried} if carried else {}))
    _name_architecture(folder, model)
    _lay_bare(tokenizer)
    tokenizer.save_pretrained(str(folder))
    told: dict[str, Any] = {"emoji": emoji} | ({"uncleaned": list(uncleaned)} if uncleaned else {})
    told |= {"language": language} if language != "en" else {}
    write_whole(folder / EMOJI_FILE, [json.dumps(told), "\n"])


def _name_architecture(folder: Path, model: PreTrainedModel) -> None:
    """save_pretrained writes the Python class's name; plain transformers knows ours by the class they extend."""
    kinds = type(model).__mro__
    plain = next(kind.__name__ for kind in kinds if kind.__module__.startswith("transformers."))
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"architectures": [plain]}
    write_config(path, config)


def emoji_rows(folder: Path) -> list[int]:
    """Ids of the tokens that were added to the base's vocabulary: the rows that started new."""
    tokenizer = load_tokenizer(folder)
    own, added = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False), tokenizer.added_tokens_decoder
    return sorted(token_id for token_id, token in added.items() if token_id >= own and not token.special)


def reading(folder: Path) -> dict[str, Any]:
    """How a model reads texts, as ``save`` was told: ``emoji``, ``uncleaned`` and ``language``.

    Emoji are read ``all`` (as tokens), as ``words`` (their names, in the language) or ``none`` (the base's own way);
    the rules of cleaning (``text.cleaning.RULES``) are those that it was trained without.

    Raises:
        InputError: what stands there is none of these.
    """
    told = {"emoji": "none", "uncleaned": [], "language": "en"} | (_description(folder, EMOJI_FILE) or {})
    mode, without, language = (told[name] for name in ("emoji", "uncleaned", "language"))
    says = f"model {folder}: {EMOJI_FILE} says"
    if mode not in EMOJI_MODES:
        raise InputError(f"{says} emoji {mode!r}; it is one of {', '.join(EMOJI_MODES)}: mend it")
    if named_in([str(language)]) != language:
        raise InputError(f"{says} language {language!r}, in which emoji have no names; mend it")
    strange = [name for name in without if name not in RULES] if isinstance(without, list) else [without]
    if strange:
        raise InputError(f"{says} uncleaned {strange[0]!r}, which is no rule; {nearest(str(strange[0]), RULES)}")
    return {"emoji": mode, "uncleaned": tuple(without), "language": language}


def how_it_reads(tokenizer: BertTokenizerFast) -> str:
    """Digest of what decides how a tokenizer reads; not of the padding and cuts that the last call left in it."""
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    return digest({name: part for name, part in told.items() if name not in {"truncation", "padding"}})
