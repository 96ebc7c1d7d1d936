# Two commands matter to a newcomer: `make demo` and `make test`. Both work on a fresh machine with Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# Tests wait for leases to end more than they compute: one more of them at once than there are cores.
WORKERS ?= $(shell echo $$(($$(nproc) + 1)))
ROUNDS ?= 40
SEED ?=
ROWS ?=
QUICK ?=
CONCH ?=

SEEDS ?= 10000
FIRST_SEED ?= 1
CORES ?= $(shell nproc)

SECONDS ?= 60
TARGETS ?=

.PHONY: help venv demo session test fuzz audit check format proto man docs docs-reference drills bench soak clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@

venv: $(VENV)/.installed ## the virtual environment, installed for development

demo: venv ## three nodes, one leader, a kill -9, a takeover
	$(BIN)/python bench/demo.py

session: venv ## record docs/session anew: three nodes, failover, switchover, drain, pause, history
	$(BIN)/python -m bench.session

test: venv ## everything, real etcd included
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

fuzz: venv ## every parser (or TARGETS=...) for SECONDS each, led by coverage where atheris can be had
	@$(BIN)/pip install -q -e '.[fuzz]' || echo "no atheris here: inputs are changed blindly"
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --jobs $(CORES) $(TARGETS)

audit: venv ## known vulnerabilities of what users get; says so when nobody could be asked
	$(BIN)/python -m tests.security.audit

check: venv ## lint, format, strict types, generated code current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python protos/generate.py --check
	$(BIN)/python -m docs.generate --check

proto: venv ## regenerate supervisor/pb from protos/
	$(BIN)/python protos/generate.py

docs-reference: venv ## rewrite docs/reference from the code
	$(BIN)/python -m docs.generate

docs: venv ## the site, into build/site: every link checked, nothing fetched when it is read
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

drills: venv ## break a real fleet ROUNDS times by SEED, and judge it (root)
	$(BIN)/python -m tests.drills --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

bench: venv ## beside every rival: all rows, or ROWS="switchover crash"; QUICK=1 for few rounds (root for some)
	$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(CONCH),--conch $(CONCH)) $(ROWS) \
		--json build/bench/result.json --plots build/bench

soak: venv ## SEEDS=… simulated runs with faults, on all CORES, and then the drills
	@seq 0 $$(($(CORES) - 1)) | xargs -P $(CORES) -I{} sh -c '$(BIN)/python -m tests.simulation --keep-going \
		--count $$(($(SEEDS) / $(CORES))) --seed $$(( $(FIRST_SEED) + {} * ($(SEEDS) / $(CORES)) ))'
	@$(MAKE) drills

man: venv ## the man pages, into build/man
	$(BIN)/python -m supervisor.cli.manual build/man

format: venv ## rewrite the sources as the formatter wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-protos .demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
