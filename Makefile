# One folder, .venv, holds everything a target needs. It is set up on the first call and brought up to date when a
# lock changes: the stamps inside it are copies of what was installed. Only packages named in the locks, by hash.
.POSIX:
.SUFFIXES:
.PHONY: help demo test torture check mutation coverage strings translations bench licences sbom audit wheel lock python runtime dev

ARGS =

help:
	@echo 'make demo    the vault and a demo shop on this machine; options: make demo ARGS="--port 8400"'
	@echo 'make test    every test; some of them: make test ARGS="tests/vault -k passphrase"'
	@echo 'make torture 10,000 power cuts; others: make torture ARGS="--images 500 --seed 7 --kills 100 --failures"'
	@echo 'make check   what reads the code without running it: ruff, mypy, import contracts, house rules'
	@echo 'make mutation  try the tests on mutants of the core; options: make mutation ARGS="--module crypto --sample 40"'
	@echo 'make coverage  lines and branches of the core that its tests never reach'
	@echo 'make strings       bring the .po files up to the sentences there are now'
	@echo 'make translations  say what is missing, stale or broken in them'
	@echo 'make sbom    what is built in of others, as dist/sbom.json (CycloneDX)'
	@echo 'make audit   known weaknesses of what the locks name (needs the network); ends with 1 if one could not be asked after'
	@echo 'make wheel   the package, into dist/: the same bytes for the same commit, wherever and whenever it is built'
	@echo 'make licences      write docs/licences.md anew, after a lock has changed'
	@echo 'make bench   the speed table; options: make bench ARGS="..."'
	@echo 'make lock    resolve pyproject.toml anew into the two locks (needs uv and the network)'

demo: runtime
	@exec .venv/bin/vrm demo $(ARGS)

# Two processes at most: tests of races and of speed need a core to themselves. A file stays in one of them, and they are
# taken in their order: by number of tests, the few that drive a browser would come last, one process waiting for them.
test: dev
	@exec .venv/bin/python -m pytest --numprocesses auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Minutes to an hour. Whatever is wrong is printed with its seed and place, and with the same seed it comes again.
torture: dev
	@exec .venv/bin/python -W ignore -m tests.torture $(ARGS)

check: dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest tests/house
	.venv/bin/python tools/translations.py check
	.venv/bin/python tools/supply.py check

mutation: dev
	@exec .venv/bin/python -m tools.sharpness mutation $(ARGS)

coverage: dev
	@exec .venv/bin/python -m tools.sharpness coverage $(ARGS)

strings: dev
	.venv/bin/python tools/translations.py update

translations: dev
	.venv/bin/python tools/translations.py check

licences: dev
	.venv/bin/python tools/supply.py licences

# What is given out bears the time of its commit, so that building it again gives the same bytes.
COMMITTED = $$(git log -1 --format=%ct)

sbom: dev
	@mkdir -p dist
	SOURCE_DATE_EPOCH=$(COMMITTED) .venv/bin/python tools/supply.py bill > dist/sbom.json

# Strict: what could not be asked after is no good news.
audit: dev
	.venv/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock
	.venv/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-dev.lock

wheel: dev
	SOURCE_DATE_EPOCH=$(COMMITTED) .venv/bin/python -m hatchling build -t wheel -d dist

bench: runtime
	@exec .venv/bin/vrm bench $(ARGS)

# `.venv/where` is the folder it was made in: scripts in a copied one would run the code they were copied from.
python:
	@if [ -x .venv/bin/python ] && [ "$$(cat .venv/where 2>/dev/null)" = "$$(pwd -P)" ] \
	    && .venv/bin/python -c '' 2>/dev/null; then exit 0; fi; \
	rm -rf .venv; \
	for python in python3 python3.13 python3.12 python3.11 none; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
	  echo 'This needs Python 3.11 or newer, and no python3 on the PATH is. Install one and type the same again.' >&2; \
	  exit 1; \
	fi; \
	if "$$python" -m venv .venv >/dev/null 2>&1; then :; \
	elif rm -rf .venv; command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$$python" .venv; \
	elif "$$python" -m pip --version >/dev/null 2>&1; then "$$python" -m venv --without-pip .venv; \
	else \
	  echo 'Python here can make no environment. Install pip or the package python3-venv and type the same again.' >&2; \
	  exit 1; \
	fi && pwd -P > .venv/where

runtime: python
	@if cat requirements.lock pyproject.toml | cmp -s - .venv/runtime; then exit 0; fi; \
	lock=requirements.lock; $(INSTALL) && cat requirements.lock pyproject.toml > .venv/runtime

# The second lock holds the first one whole, so both stamps are true afterwards.
dev: python
	@if cat requirements-dev.lock pyproject.toml | cmp -s - .venv/dev; then exit 0; fi; \
	lock=requirements-dev.lock; $(INSTALL) && cat requirements-dev.lock pyproject.toml > .venv/dev \
	  && cat requirements.lock pyproject.toml > .venv/runtime

# Wheels only: building from source would fetch tools that no lock names. pip comes from the environment itself,
# from uv, or from the Python it was made with, whichever there is.
INSTALL = \
	echo "Setting up .venv from $$lock" >&2; \
	if .venv/bin/python -m pip --version >/dev/null 2>&1; then pip='.venv/bin/python -m pip'; \
	elif command -v uv >/dev/null 2>&1; then pip='uv pip'; \
	else pip="$$(.venv/bin/python -c 'import sys; print(sys._base_executable)') -m pip --python .venv/bin/python"; fi; \
	case $$pip in uv*) export VIRTUAL_ENV="$$(pwd -P)/.venv";; *) export PIP_DISABLE_PIP_VERSION_CHECK=1;; esac; \
	$$pip install --quiet --require-hashes --only-binary :all: -r $$lock \
	  && $$pip install --quiet --no-build-isolation --no-deps -e .

LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-annotate pyproject.toml

lock:
	$(LOCK) --extra build --extra postgresql --output-file requirements.lock $(ARGS)
	$(LOCK) --extra dev --constraints requirements.lock --output-file requirements-dev.lock $(ARGS)
