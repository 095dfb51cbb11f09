"""A tuned model as ONNX, in float32 and int8, with what runs it beside it: neither torch nor Retone is needed there."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.common.errors import InputError
from pipeline.common.extras import need
from pipeline.common.files import read_json, remove, write_config, write_whole
from pipeline.corpora.prepared import rows
from pipeline.corpora.stored_rows import Rows
from pipeline.measuring.statistics.classification import confusion, macro_recall
from pipeline.measuring.statistics.sampling import fixed_sample
from pipeline.models.batches import Ids
from pipeline.predictor import Predictor

FLOAT, INT8 = "model.onnx", "model.int8.onnx"
ASKED = 500
"""Texts that are asked, at most."""
ATOL = 1e-4
"""Of logits in float32."""
MARGIN = 0.005
"""Macro-recall that int8 may cost."""
TEXT_MODULES = ("cleaning", "emoji", "kaomoji")
Array = NDArray[Any]


class Measured(NamedTuple):
    """One form of the model, asked one text at a time."""

    form: str
    megabytes: float
    milliseconds: float
    """A text, the median."""
    apart: float
    """Largest difference of a logit from torch's."""
    recall: float | None
    """Macro-recall, where labels are known."""


def export(model: Path, out: Path) -> list[Measured]:
    """Write a model as ONNX into a new folder, and measure it beside torch. An export that stood there is replaced.

    Args:
        model: folder of a model that Retone tuned. Where it lies in a store, dev texts of its run are asked, with their
            labels; else word pieces drawn at random.

    Raises:
        InputError: the extra is not installed, no such model, something else stands in ``out``, or ONNX answers
            otherwise than torch.
    """
    need("export", "onnx", "onnxscript", "onnxruntime")
    if out.exists() and not (out / FLOAT).is_file():
        raise InputError(f"export {out}: something else is there; name a new folder")
    predictor, part = Predictor(model), out.with_name(f"{out.name}.part")
    remove(part)
    part.mkdir(parents=True)
    try:
        _write_beside(predictor, model, part)
        _write_float(model, part / FLOAT, predictor.reader.max_length)
        _write_int8(part / FLOAT, part / INT8)
        measured = _measured(predictor, model, part)
        if not measured[1].apart <= ATOL:
            raise InputError(f"export {model}: ONNX differs from torch by {measured[1].apart:.1e} in a logit; nothing "
                             "was written; report it with the versions of torch, transformers and onnx")  # fmt: skip
        write_whole(part / "README.md", [_card(model, measured)])
        remove(out)
        part.replace(out)
    finally:
        remove(part)
    return measured


def _write_beside(predictor: Predictor, model: Path, out: Path) -> None:
    """Tokenizer, with the longest text it reads, cleaning, and the lines that run them."""
    reader = predictor.reader
    reader.tokenizer.backend_tokenizer.no_padding()
    reader.tokenizer.backend_tokenizer.enable_truncation(reader.max_length)
    reader.tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    reads = {"emoji": reader.emoji, "uncleaned": list(reader.uncleaned), "language": reader.language}
    write_config(out / "config.json", read_json(model / "config.json") | reads)
    package = resources.files("pipeline")
    cleaning = out / "retone_text"
    cleaning.mkdir()
    write_whole(cleaning / "__init__.py", ['"""How Retone cleans a text, as it is there (Apache-2.0)."""\n'])
    for name in TEXT_MODULES:
        source = (package / "text" / f"{name}.py").read_text("utf-8")
        write_whole(cleaning / f"{name}.py", [source.replace("pipeline.text.", "retone_text.")])
    write_whole(out / "classify.py", [(package / "deployment" / "shipped" / "classify.py").read_text("utf-8")])


def _write_float(model: Path, out: Path, longest: int) -> None:
    """The plain classifier as transformers exports it, without the paths and sources that its nodes are marked with."""
    import onnx
    import onnx_ir
    from transformers import BertForSequenceClassification
    from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

    plain = BertForSequenceClassification.from_pretrained(str(model), local_files_only=True, dtype=torch.float32).eval()
    ids = torch.full((2, 7), 5)  # any: shapes are left open
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=longest)}
    config = OnnxConfig(dynamic=True, dynamic_shapes={"input_ids": axes, "attention_mask": axes})
    with _quietly():
        told = OnnxExporter().export(plain, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, config=config)
    onnx_ir.save(told.program, str(out))
    written = onnx.load(str(out))
    del written.graph.value_info[:], written.metadata_props[:]
    for part in (*written.graph.node, *written.graph.initializer, *written.graph.input, *written.graph.output):
        del part.metadata_props[:]
    onnx.save(written, str(out))


def _write_int8(model: Path, out: Path) -> None:
    """The same with matrices as int8: of products by onnxruntime, of word pieces with a scale a row.

    onnxruntime would give all word pieces one scale, which cost more macro-recall than all products together
    (docs/log.md). Weights keep to 7 bits: 8 overflow on processors without VNNI.
    """
    import onnx
    from onnx import helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(
            str(model), str(out), op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, reduce_range=True,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
    written = onnx.load(str(out))
    graph = written.graph
    table = next(each for each in graph.initializer if each.name.endswith("word_embeddings.weight"))
    place, lookup = next((at, node) for at, node in enumerate(graph.node) if table.name in node.input)
    weights = numpy_helper.to_array(table)
    scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / 127
    names = {kind: f"{table.name}.{kind}" for kind in ("int8", "scales", "rows", "floats", "scale")}
    steps = [
        helper.make_node("Gather", [names["int8"], lookup.input[1]], [names["rows"]]),
        helper.make_node("Cast", [names["rows"]], [names["floats"]], to=onnx.TensorProto.FLOAT),
        helper.make_node("Gather", [names["scales"], lookup.input[1]], [names["scale"]]),
        helper.make_node("Mul", [names["floats"], names["scale"]], [lookup.output[0]]),
    ]
    graph.node.remove(lookup)
    for at, step in enumerate(steps):
        graph.node.insert(place + at, step)
    graph.initializer.remove(table)
    graph.initializer.append(numpy_helper.from_array(np.round(weights / scales).astype(np.int8), names["int8"]))
    graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), names["scales"]))
    onnx.save(written, str(out))


def _measured(predictor: Predictor, model: Path, folder: Path) -> list[Measured]:
    """torch, ONNX and int8 on the same texts: size, speed, how far apart, how well."""
    known = fixed_sample(dev_rows(model), ASKED, seed=0, by="label")
    ids = predictor.reader.ids(row["text"] for row in known) or _drawn(predictor)
    labels = [row["label"] for row in known]
    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    asked = {"torch": (weights, _torch(predictor))}
    asked |= {name: ((folder / name).stat().st_size, _onnx(folder / name)) for name in (FLOAT, INT8)}
    found: list[Measured] = []
    first: Array | None = None
    for form, (size, run) in asked.items():
        logits, milliseconds = _timed(run, ids)
        first = logits if first is None else first
        recall = None
        if labels:
            recall = float(macro_recall(confusion(labels, logits.argmax(axis=1)).astype(np.float64)))
        found.append(Measured(form, size / 1e6, milliseconds, float(np.abs(logits - first).max()), recall))
    return found


def dev_rows(model: Path) -> Rows:
    """Labelled dev texts of the run that a model is from, as prepared; none where no store lies around it."""
    inside = model.resolve()
    for report in (inside.parent, inside.parent.parent):
        with contextlib.suppress(OSError, ValueError, LookupError, StopIteration, TypeError):
            told = read_json(report / "report.json")
            arm = inside.name if inside.parent.name == "models" else told["final_arm"]
            fingerprint = next(iter(told["fingerprints"][arm]["prepare"].values()))
            return rows(report.parent.parent / "prepare" / fingerprint[:16], role="reviews", split="dev")
    return []


def _drawn(predictor: Predictor) -> list[Ids]:
    """Word pieces at random, as many texts as are asked else: what there is where no text is known."""
    generator, tokenizer, longest = np.random.default_rng(0), predictor.reader.tokenizer, predictor.reader.max_length
    lengths = generator.integers(1, longest - 1, ASKED)
    inner = (generator.integers(0, len(tokenizer), length) for length in lengths)
    return [np.array([tokenizer.cls_token_id, *row, tokenizer.sep_token_id], dtype=np.int32) for row in inner]


def _torch(predictor: Predictor) -> Callable[[Array], Array]:
    predictor.model.eval()

    @torch.inference_mode()
    def run(ids: Array) -> Array:
        return np.asarray(predictor.model(input_ids=torch.from_numpy(ids)).logits[0])

    return run


def _onnx(file: Path) -> Callable[[Array], Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda ids: np.asarray(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])


def _timed(run: Callable[[Array], Array], ids: Sequence[Ids]) -> tuple[Array, float]:
    """Logits [n, 3] of texts one by one, and the median of their milliseconds."""
    logits, seconds = [], []
    for row in ids:
        began = time.perf_counter()
        logits.append(run(row[None].astype(np.int64)))
        seconds.append(time.perf_counter() - began)
    return np.array(logits), 1000 * float(np.median(seconds))


def sentence(measured: Sequence[Measured]) -> str:
    """What int8 costs, in a line."""
    before, after = measured[0].recall, measured[2].recall
    if before is None or after is None:
        return "What int8 costs in macro-recall is not known: no labelled dev texts lie around the model."
    told = f"int8 has {100 * after:.1f}% macro-recall on dev texts, float32 {100 * before:.1f}%"
    within = before - after <= MARGIN
    return (
        f"{told}: {'no more than half a point lower' if within else f'more than half a point lower, so take {FLOAT}'}."
    )


def _card(model: Path, measured: Sequence[Measured]) -> str:
    """The model's card, with what is to be known of the exported one in place of how to use the other."""
    path = model / "README.md"
    card = path.read_text("utf-8") if path.is_file() else "# A model that Retone tuned\n\n## Use\n"
    lines = [
        f"| {form} | {size:.1f} | {speed:.1f} | {apart:.1e} | {'' if recall is None else f'{100 * recall:.1f}'} |"
        for form, size, speed, apart, recall in measured
    ]
    use = _USE.format(rows="\n".join(lines), int8=sentence(measured), threads=torch.get_num_threads())
    card = card.replace("library_name: transformers\n", "library_name: onnx\n", 1)
    return re.sub(r"## Use\n.*?(?=\n## |\Z)", lambda _: use, card, count=1, flags=re.DOTALL)


_USE = f"""## Use

```console
pip install onnxruntime tokenizers emoji ftfy
python classify.py "Two weeks late and the box was open 😡"
```

In a program: `from classify import Classifier`. `{FLOAT}` is the model in float32, `{INT8}` the smaller one; texts are
cleaned (`retone_text/`) and cut as in training.

| form | MB | ms a text | largest difference of a logit | macro-recall on dev, % |
| --- | ---: | ---: | ---: | ---: |
{{rows}}

A text at a time, {{threads}} thread(s), median, where it was exported. {{int8}}
"""


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what exporters print about themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
