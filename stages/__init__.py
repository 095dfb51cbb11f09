"""The story: a module per stage, in the order of this list."""

import sys

import retone

try:
    retone.check()
except ImportError as problem:
    if sys.argv[0] == "-m":  # as a command: one line
        raise SystemExit(str(problem)) from None
    raise

from stages import evaluate, finetune, prepare, pretrain, report, source, tokenizer

STORY = (
    prepare.STAGE,
    source.STAGE,
    tokenizer.STAGE,
    pretrain.STAGE,
    finetune.STAGE,
    evaluate.STAGE,
    report.STAGE,
)
