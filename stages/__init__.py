"""The story: a module per stage, in the order of this list."""

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
