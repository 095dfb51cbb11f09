"""A model on the Hub, private unless it is said otherwise: its files, its card, its report's pictures; no texts."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.errors import InputError

MODEL_FILES = (
    *("README.md", "config.json", "retone.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "*.safetensors", "*.safetensors.index.json", "*.onnx", "classify.py", "retone_text/*.py"),
)
"""What is a model's, or an exported one's. Nothing else in its folder goes to the Hub."""


def files_of(model: Path) -> dict[str, Path]:
    """What is uploaded, by its name there: a model's files, and the pictures of the report around it.

    Of the report's files the pictures alone: its pages quote reviews.

    Raises:
        InputError: no weights or no card there.
    """
    found = {path.relative_to(model).as_posix(): path for name in MODEL_FILES for path in sorted(model.glob(name))}
    if "README.md" not in found or not {".safetensors", ".onnx"} & {path.suffix for path in found.values()}:
        raise InputError(f"model {model}: no README.md with weights beside it; name a model that `make all` made")
    inside = model.resolve()
    report = inside.parent.parent if inside.parent.name == "models" else inside.parent
    if (report / "report.json").is_file():
        found |= {f"figures/{path.name}": path for path in sorted((report / "figures").glob("*.svg"))}
    return found


def push(model: Path, repo: str, *, public: bool = False) -> str:
    """Upload a model in one commit, into a repository that is made where there is none; return the commit's address.

    Raises:
        InputError: see ``files_of``; the repository is public and that was not said; or the Hub said no.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, constants

    operations = [CommitOperationAdd(name, str(path)) for name, path in files_of(model).items()]
    api = HfApi(endpoint=constants.ENDPOINT)
    try:
        api.create_repo(repo, private=not public, exist_ok=True)
        open_to_all = api.model_info(repo).private is not True
        done = None
        if public or not open_to_all:
            done = api.create_commit(repo, operations, commit_message="A model tuned with Retone")
    except Exception as problem:  # of a dozen kinds
        said = " ".join(str(problem).split())[:300]
        raise InputError(
            f"push {repo}: the Hub cannot be reached or said no ({type(problem).__name__}: {said}); "
            "log in with `hf auth login`, and name OWNER/NAME"
        ) from problem
    if done is None:
        raise InputError(f"push {repo}: everybody can read it, and nothing was uploaded; say --public or name another")
    return str(done.commit_url)
