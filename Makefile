# The two main commands are `make demo` and `make test`. README.md shows what they run.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian packages for the tests with real graphics and a real browser.
PACKAGES := libegl1 libgl1 libgl1-mesa-dri xvfb xauth chromium firefox-esr libatomic1 xdotool glslang-tools spirv-cross mono-mcs mesa-vulkan-drivers \
            g++-aarch64-linux-gnu qemu-user-static zsh fish

.PHONY: help demo test quick check format docs fuzz lowest constraints system-packages

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/base ## train on a bundled image and make its page
	$(BIN)/nca demo --out demo --overwrite

# Two test files at once, each on one thread: more threads than cores would wait for each other.
# Without the reordering, the few tests that take a minute do not all come last, on one core.
test: $(VENV)/dev system-packages check ## all tests, as in continuous integration
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Maths, files and the command line, without graphics, browser and training: half a minute.
quick: $(VENV)/dev ## tests without graphics, browser and training
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m 'not gl and not browser and not slow' \
	  tests/test_*.py tests/project tests/losses tests/images tests/export/glsl

format: $(VENV)/dev ## reformat all code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: $(VENV)/dev ## linter, format, types, spelling and wording
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy -p nca -p tools -p tests
	$(BIN)/mypy examples
	$(BIN)/python -m pytest -q tests/project/test_words.py

docs: $(VENV)/dev ## the site, into site/: guides, reference, notebooks, the running gallery
	OMP_NUM_THREADS=1 NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Thousands of damaged files for every reader; each SEED makes different ones.
CASES ?= 5000
SEED ?= 1
fuzz: $(VENV)/dev ## damaged files for every reader: CASES=5000 SEED=1
	FUZZ_CASES=$(CASES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest tests/fuzz

# A short suite with the oldest versions that pyproject.toml allows; TORCH=2.13.0 sets another torch.
# Old versions warn about later deprecations; the deselected test quotes a message of Pillow.
LOWEST := build/lowest
SHORT := $(addprefix tests/, test_rulefile.py images/test_images.py test_cli.py export/test_command.py \
         export/test_importers.py export/hosts/test_wgsl.py export/hosts/test_godot.py \
         viewer/test_headless.py viewer/window/test_panel.py viewer/files viewer/window/test_window.py page/test_hands.py \
         losses/test_prompt.py style ddpm evaluation \
         training/callbacks/test_callbacks.py training/test_records.py)
lowest: ## a short suite with the oldest allowed versions
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet $$($(PYTHON) tools/lowest.py $(TORCH))
	$(LOWEST)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -o filterwarnings=default -p no:warnings $(SHORT) \
	  -k 'not YCbCr'

# The versions that the tests run with. If a package index lacks one of them, edit constraints.txt.
PINNED := build/pinned
constraints: ## pin the newest versions of all packages that the tests need
	rm -rf $(PINNED)
	$(PYTHON) -m venv $(PINNED)
	$(PINNED)/bin/pip install --quiet '.[all,dev]'
	$(PINNED)/bin/pip freeze --all --exclude pip --exclude nca-studio | sed 's/+cpu$$//' > constraints.txt

$(VENV)/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	@touch $@ $(VENV)/base

# Install the packages if possible, otherwise list them.
system-packages:
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; \
	  else \
	    echo "missing for the tests with graphics and a browser:$$missing"; \
	  fi; \
	fi
