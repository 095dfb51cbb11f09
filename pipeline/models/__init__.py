"""BERTs: loading, what they compute, what they are fed. Nothing here is trained or scored.

loading       loading and saving, and what tells one model from another
sources       where a base comes from
architectures which encoders run, and what is written as a BERT
attachments   head, pooler and adapter put on a base that lacks them
encoder       the layers, computed only where somebody looks
masked_lm     a masked language model
classifier    a classifier of three classes
reader        how a model reads a text
vocabulary    tokens for emoji, and what a tokenizer cannot read
batches       batches under a token budget
memory        memory kept flat
minilm/       what ships for the base
"""
