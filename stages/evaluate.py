"""Score every model: how well it tells the classes apart, and how much general English it kept.

A *figure* below is ``{"value", "low", "high", "n"}``: the value on all items, a 95% percentile interval from resampling
items (texts, documents, pairs), and the number of items. A *difference* is a figure with ``"p"`` (two-sided share of
draws across zero) and ``"verdict"`` (``helped | hurt | undecided``) beside it. Shares run from 0 to 1, losses are nats
per masked piece. Where nothing can be said (no such items, a base at chance) there stands ``null``.

``scores.json``::

    {"headline": "macro_recall", "draws": 2000, "level": 0.95,
     "corpora": {"<reviews corpus>": {
        "model": SCORES,                       # the tuned model on the test split
        "slices": {"emoji": SCORES | null, "no_emoji": SCORES | null},
        "floor": SCORES,                       # TF-IDF with logistic regression, same splits
        "floor_slices": {"emoji": SCORES | null, "no_emoji": SCORES | null},
        "floor_settings": {"C": x, "dev_macro_recall": x, "features": n},
        "minus_floor": {"accuracy": DIFFERENCE, "macro_recall": DIFFERENCE, "macro_f1": DIFFERENCE},   # model - floor
        "plain": {                             # the raw texts given straight to the tokenizer, no code of ours
            "accuracy": FIGURE, "macro_recall": FIGURE, "macro_f1": FIGURE,
            "changed": x,                      # share of texts whose predicted label changes
            "minus_model": {"accuracy": DIFFERENCE, "macro_recall": DIFFERENCE, "macro_f1": DIFFERENCE}}}}}

    SCORES = {"n": n, "accuracy": FIGURE, "macro_recall": FIGURE, "macro_f1": FIGURE,
              "per_class": {"negative|neutral|positive": {"precision": x, "recall": x, "f1": x, "n": n}},
              "confusion": [[n, n, n], [n, n, n], [n, n, n]]}          # rows = truth, columns = predicted

``retention.json``::

    {"models": {"base|adapted|tuned": {
        "masked": {"<general corpus>": {
            "loss": FIGURE,                    # the primary one: softmax over the base vocabulary; lower is better
            "loss_full": FIGURE,               # softmax over all rows, new emoji rows too
            "bits_per_byte": FIGURE,           # from loss_full, per UTF-8 byte of masked text; lower is better
            "accuracy": FIGURE}},              # share of masked pieces guessed right
        "pairs": {"<pairs corpus>": {"accuracy": FIGURE, "phenomena": {"<phenomenon>": FIGURE}}}}},
     "scores": {"base_to_adapted|adapted_to_tuned|base_to_tuned": {
        "masked": {"<general corpus>": FIGURE},      # exp(loss before - loss now): 1 = all kept
        "pairs": {"<pairs corpus>": FIGURE | null}}},# (acc now - 0.5) / (acc before - 0.5); null: before is at chance
     "shift": {"<informal | reviews | general corpus>": {
        "role": "informal|reviews|general", "split": "dev|test", "base": FIGURE, "adapted": FIGURE}},   # masked loss
     "masks": {"<corpus>": "<sha256>"}}              # which masks were used: equal for all arms of a run

Items, one a row, from which all of this can be computed again without a model:

- ``predictions/<corpus>.jsonl``  ``{"id", "label", "predicted", "probabilities": [x, x, x], "emoji": bool, "plain": 0|1|2}``
- ``floor/<corpus>.jsonl``        ``{"id", "label", "predicted", "probabilities", "emoji"}``, in the same order
- ``retention/{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "nats", "nats_full", "masked", "correct", "bytes"}``:
  sums over a general document's masked pieces
- ``retention/shift_{base,adapted}.jsonl``  the same of informal dev and reviews test texts
- ``retention/pairs_{base,adapted,tuned}.jsonl``  ``{"corpus", "id", "phenomenon", "good", "bad"}``: log-likelihoods
- ``retention/masks/<corpus>.jsonl``  ``{"id", "input_ids", "masked", "bytes"}``, a row a window: what was masked
"""
