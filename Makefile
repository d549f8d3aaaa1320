# Two commands on a fresh machine: `make bench` and `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: bench study capacity test check talks pocket clean

bench: .venv/installed
	$(BIN)/earspan bench

study: .venv/installed-vad
	$(BIN)/earspan study

# GroqChips: about 20,000 USD a card (Mouser, BittWare; secondary) over 5 to 2 years; no hourly price is published
capacity: .venv/installed runs/bench/results.json
	$(BIN)/earspan capacity --price groq-v1=0.46..1.14

runs/bench/results.json: | .venv/installed
	$(BIN)/earspan bench

test: .venv/installed-dev
	$(BIN)/pytest

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	mkdir -p .venv/typing && ln -sfn ../.. .venv/typing/earspan  # where pyright finds the package `earspan`
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

# The recipes behind the bundled data. They need synthesisers and text: apt-get install --no-install-recommends espeak-ng flite
# wordnet-base fortunes anarchism endless-sky-data sword-text-web sword-comm-tdavid sword-comm-mhcc dict-gcide
talks: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[talks]'
	$(BIN)/python -m earspan.datasets.talks.build

# Every step of pocket's recipe, small: a model that has heard an hour and writes nothing of use. The model card
# (speech/pocket/MODEL_CARD.md) has the commands that made the bundled one.
pocket: .venv/installed
	$(BIN)/python -m earspan.speech.pocket.corpus --out build/small/corpus --shards 3
	$(BIN)/python -m earspan.speech.pocket.train --corpus build/small/corpus --out build/small/ears --shards 3 \
		--part encoder --crops 1.5..5 --noise 0 --steps 80 --warmup 20 --peak-rate 1.2e-3
	$(BIN)/python -m earspan.speech.pocket.train --corpus build/small/corpus --out build/small/all --shards 3 \
		--initial build/small/ears/training.pt --crops 1.5..5 --noise 0 --steps 30 --warmup 5 --peak-rate 1.2e-3
	$(BIN)/python -m earspan.speech.pocket.export --training build/small/all/training.pt --out build/small/pocket.pt
	$(BIN)/python -m earspan.benchmarks.pocket_card --model build/small/pocket.pt --datasets talks-clean --windows 5 \
		--empty 2

clean:
	rm -rf .venv build runs *.egg-info
