"""Sentiment of texts: pip install onnxruntime tokenizers emoji ftfy, then python classify.py "sooo good 😍"."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from retone_text.cleaning import normalise
from retone_text.emoji import demojize
from tokenizers import Tokenizer


class Classifier:
    """``Classifier()("sooo good 😍")`` is each class with its probability; ``model.int8.onnx`` is the smaller model."""

    def __init__(self, file: str = "model.onnx", folder: Path = Path(__file__).parent) -> None:
        told = json.loads((folder / "config.json").read_text("utf-8"))
        self.labels, self.words = list(told["id2label"].values()), told["emoji"] == "words"
        self.uncleaned, self.language = told["uncleaned"], told["language"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.session = onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])

    def __call__(self, text: str) -> dict[str, float]:
        """Each class's probability."""
        cleaned = normalise(text, self.uncleaned)
        read = self.tokenizer.encode(demojize(cleaned, self.language) if self.words else cleaned)
        ids = np.array([read.ids], dtype=np.int64)
        (logits,) = self.session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        shares = np.exp(logits[0] - logits[0].max())
        return dict(zip(self.labels, (shares / shares.sum()).tolist(), strict=True))


if __name__ == "__main__":
    classify = Classifier()
    for text in sys.argv[1:] or map(str.strip, sys.stdin):
        print(json.dumps(classify(text), ensure_ascii=False), text)
