"""What is put on a base that lacks it: an MLM head and a pooler, whole, and a LoRA adapter of the encoder, merged.

A folder holds ``mlm_head.safetensors`` and, where the encoder was adapted too, ``adapter/`` in peft's own form. So a
small file makes a masked language model of an encoder that is published without a head.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.common.errors import InputError
from pipeline.common.files import write_config
from pipeline.models.masked_lm import MaskedLM

HEAD_FILE = "mlm_head.safetensors"
ADAPTER = "adapter"
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
HEAD = ("cls.predictions.bias", "cls.predictions.transform.", "bert.pooler.")
"""How the names of the head's weights start; its matrix of output rows is the word embeddings."""


def attach(model: MaskedLM, folder: Path) -> MaskedLM:
    """The model with a folder's head and pooler, and its adapter merged if there is one: float32, in eval mode.

    The model given is changed. An update of the word embeddings is one of the output rows too: they stay one matrix.

    Raises:
        InputError: a file is missing or cannot be read, holds other weights than are needed, or does not fit.
    """
    head = _tensors(folder / HEAD_FILE)
    _check(folder / HEAD_FILE, head, _head(model))
    model.load_state_dict(head, strict=False)
    if (folder / ADAPTER).is_dir():
        model = _merged(model, folder / ADAPTER)
    if model.cls.predictions.decoder.weight is not model.get_input_embeddings().weight:
        raise InputError(
            f"model parts {folder}: output rows and word embeddings are no longer one matrix; make it anew"
        )
    model.missing = []
    model.requires_grad_(True)  # peft has frozen all
    model.bert.pooler.requires_grad_(False)
    return model.eval()


def detach(wrapped: Any, folder: Path) -> None:
    """Write the folder that ``attach`` reads, in float16, from a MaskedLM under a LoRA (``get_peft_model``'s).

    The head is read from the model, so it must have been trained as it is, not as a copy under ``modules_to_save``.
    The same model gives the same bytes, and no path of the base's.
    """
    (folder / ADAPTER).mkdir(parents=True, exist_ok=True)
    _write(_head(wrapped.get_base_model()), folder / HEAD_FILE)
    _write(get_peft_model_state_dict(wrapped, save_embedding_layers=False), folder / ADAPTER / WEIGHTS_FILE)
    wrapped.peft_config["default"].save_pretrained(str(folder / ADAPTER))
    portable(folder / ADAPTER)


def portable(adapter: Path) -> None:
    """Have an adapter's folder hold the same bytes wherever and in whichever process it was made.

    peft's page about it is an empty form that names the base by its path.
    """
    (adapter / "README.md").unlink(missing_ok=True)
    path = adapter / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"auto_mapping": None, "base_model_name_or_path": None, "inference_mode": True}
    if isinstance(config["target_modules"], list):  # of a set, in another order in each process
        config["target_modules"].sort()
    write_config(path, config)


def adapted(model: Any, config: LoraConfig) -> Any:
    """peft's view of a model with a LoRA put into it, without what transformers has to tell peft about old names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return get_peft_model(model, config)


def _head(model: MaskedLM) -> dict[str, Tensor]:
    return {name: weight for name, weight in model.state_dict().items() if name.startswith(HEAD)}


def _merged(model: MaskedLM, folder: Path) -> MaskedLM:
    """The model with a LoRA adapter added to its weights."""
    stored = _tensors(folder / WEIGHTS_FILE)
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise InputError(f"model parts {folder}: {CONFIG_FILE} cannot be read ({problem}); fetch it again") from None
    if not isinstance(config, LoraConfig):
        raise InputError(f"model parts {folder}: the adapter is a {config.peft_type}; Retone merges LoRA alone")
    try:
        wrapped = adapted(model, config)
    except ValueError as problem:
        raise InputError(
            f"model parts {folder}: the adapter does not fit the model ({problem}); fetch it again"
        ) from None
    needed = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    _check(folder / WEIGHTS_FILE, stored, needed)
    if apart := [name for name in stored if ".cls." in name]:
        raise InputError(
            f"model parts {folder}: it changes {apart[0]}, and the output rows are the word embeddings; "
            "adapt these, or the encoder alone"
        )
    set_peft_model_state_dict(wrapped, stored)
    return wrapped.merge_and_unload()


def _tensors(path: Path) -> dict[str, Tensor]:
    """A safetensors file's, in float32."""
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as problem:
        raise InputError(f"model parts {path}: cannot be read ({problem}); fetch it again") from None


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in tensors.items()}, path)


def _check(path: Path, found: dict[str, Tensor], needed: dict[str, Tensor]) -> None:
    """Refuse a file with other names or shapes than are needed."""
    wrong = {
        "lacks": needed.keys() - found.keys(),
        "holds the unknown": found.keys() - needed.keys(),
        "has another shape of": {name for name in found.keys() & needed if found[name].shape != needed[name].shape},
    }
    for what, names in wrong.items():
        if names:
            raise InputError(f"model parts {path}: it {what} {_first(names)}; fetch the one that belongs to this model")


def _first(names: Iterable[str]) -> str:
    first, *more = sorted(names)
    return f"{first} and {len(more)} more" if more else first
