"""Each task as this project does it: the stages' own code, on the folders that they read.

Every function takes a spec, imports what it needs, and returns the work to be timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.spec import Spec, Told, Work

ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS")


def tune(spec: Spec) -> Work:
    """A classifier tuned on the reviews, evaluated once an epoch, its best state kept."""
    return _tune(spec, 1)


def tune_shared(spec: Spec) -> Work:
    """The same by two processes of this machine, each with as many threads; their start counts."""
    return _tune(spec, 2)


def _tune(spec: Spec, processes: int) -> Work:
    from pipeline.corpora import prepared  # noqa: F401
    from pipeline.learning import ranks
    from pipeline.learning.options import Compute, FrozenCache, TuningFreezing
    from pipeline.learning.tuning import tuned
    from pipeline.measuring.statistics import classification  # noqa: F401  imports are no part of the work
    from pipeline.models import loading  # noqa: F401
    from stages.finetune import Settings

    megabytes = spec.memory_megabytes
    settings = Settings(
        freezing=TuningFreezing(layers=spec.frozen),
        learning_rate=spec.learning_rate,
        head_learning_rate=None,
        layerwise_lr_decay=1.0,
        class_weights=False,
        num_train_epochs=spec.epochs,
        patience=None,
        batch_size=spec.batch_size,
        tokens_per_batch=spec.batch_size * spec.max_length,
        max_length=spec.max_length,
        compute=Compute(precision=spec.precision, processes=processes),
        frozen_cache=FrozenCache(**({} if megabytes is None else {"memory_megabytes": megabytes})),
    )

    def work() -> Told:
        with TemporaryDirectory() as place:
            cache, folder = Path(place) / "cache", Path(place) / "checkpoints"
            given = settings, spec.model, spec.folder / "prepare", spec.seed, 0, cache, folder
            story = ranks.together(processes, tuned, *given).summary
        return {"updates": story["steps"], "dev_macro_recall": story["dev_macro_recall"]}

    return work


def dapt(spec: Spec) -> Work:
    """The encoder adapted to the posts; a batch holds as many tokens as ``batch_size`` posts hold on average."""
    from pipeline.corpora import prepared  # noqa: F401
    from pipeline.learning import adaptation, callbacks, freezing, loop  # noqa: F401  as above
    from pipeline.learning.options import Compute
    from stages.pretrain import Settings, pretrain

    counts = spec.counts["informal_train"]
    settings = Settings(
        num_train_epochs=spec.epochs,
        include_reviews=False,
        replay_share=0.0,
        learning_rate=spec.learning_rate,
        max_length=spec.max_length,
        tokens_per_batch=max(64, round(spec.batch_size * counts["tokens"] / counts["rows"])),
        evaluations=spec.epochs,
        patience=None,
        dev_windows=max(8, spec.counts["informal_dev"]["rows"]),
        compute=Compute(precision=spec.precision),
        seed=spec.seed,
    )

    def work() -> Told:
        with TemporaryDirectory() as place:
            pretrain(settings, prepare=spec.folder / "prepare", tokenizer=spec.folder / "tokenizer", out=Path(place))
            return {"updates": json.loads((Path(place) / "pretrain.json").read_text(encoding="utf-8"))["steps"]}

    return work


def pairs(spec: Spec) -> Work:
    """Pseudo-log-likelihoods of the sentences."""
    from pipeline.measuring.scoring import pseudo_log_likelihoods
    from pipeline.models import loading

    sentences = json.loads((spec.folder / "sentences.json").read_text(encoding="utf-8"))

    def work() -> Told:
        model, tokenizer = loading.load_masked_lm(spec.model), loading.load_tokenizer(spec.model)
        pseudo_log_likelihoods(model, tokenizer, sentences, vocabulary_size=model.config.vocab_size)
        return {}

    return work


def predict(spec: Spec) -> Work:
    """The command itself: a file of texts read, cleaned, labelled and written as CSV."""
    from pipeline import predictor  # noqa: F401  as above
    from pipeline.commands.predict import predict
    from pipeline.corpora import new_texts  # noqa: F401

    def work() -> Told:
        with TemporaryDirectory() as place:
            source, out = spec.folder / "predict.jsonl", Path(place) / "out.csv"
            predict(str(source), spec.folder / "classifier", None, None, out, spec.max_length, False)
        return {}

    return work


def prepare(spec: Spec) -> Work:
    """A made-up corpus read, cleaned, split and audited."""
    from pipeline.corpora import audit, corpus, prepared, shift  # noqa: F401  as above
    from stages import prepare
    from tests.benchmarks import reviews

    place = TemporaryDirectory()
    reviews.write(Path(place.name) / "card", spec.counts["prepare"]["rows"])

    def work() -> Told:
        with place:
            settings = prepare.Settings(corpora=(str(Path(place.name) / "card"),))
            prepare.prepare(settings, out=Path(place.name) / "out")
        return {}

    return work


def local_tasks(spec: Spec) -> Work:
    """Tasks of nothing, by two processes that have begun; CPU seconds are of the run's process alone."""
    return _tasks("local", spec.counts["tasks"]["rows"])


def ray_tasks(spec: Spec) -> Work:
    """The same by a cluster of this machine, two at a time."""
    return _tasks("ray:cpus=0", spec.counts["tasks"]["rows"])


def _tasks(engine: str, count: int) -> Work:
    from pipeline.machine import workers

    team = workers.engine(engine, 2)
    team.__enter__()
    list(workers.in_order(team, str, range(8)))

    def work() -> Told:
        assert list(workers.in_order(team, str, range(count))) == list(map(str, range(count)))
        return {}

    return work


def tokenise(spec: Spec) -> Work:
    """Ids of all lines, as tuning makes them."""
    from pipeline.models.reader import Reader

    reader = Reader.of(spec.model, spec.max_length)
    lines = json.loads((spec.folder / "lines.json").read_text(encoding="utf-8"))

    def work() -> Told:
        reader.ids(lines)
        return {}

    return work


def story(spec: Spec) -> Work:
    """``make all`` of a checkout into an empty store, with as many processes and threads as it takes by itself."""
    root = Path(spec.checkout or ROOT)
    env = {name: value for name, value in os.environ.items() if name not in THREADS}

    def work() -> Told:
        with TemporaryDirectory() as place:
            command = [sys.executable, "-m", "stages", "run", "--store", f"{place}/store"]
            own = {"HF_DATASETS_CACHE": f"{place}/cache"}  # the other side must not find what this one has made
            subprocess.run(command, cwd=root, env=env | own, check=True, stdout=sys.stderr)
        return {}

    return work
