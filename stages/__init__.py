"""The story: a module per stage, or a package where one grew, in the order of this list."""

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
