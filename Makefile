# Two commands: `make demo` and `make test`. README.md tells the plain lines behind them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the tests with real graphics and a real browser need, by Debian's names.
PACKAGES := libegl1 libgl1 libgl1-mesa-dri xvfb xauth chromium libatomic1 xdotool glslang-tools mesa-vulkan-drivers \
            g++-aarch64-linux-gnu qemu-user-static

.PHONY: demo test check fuzz lowest system-packages

demo: $(VENV)/base
	$(BIN)/nca demo --out demo --overwrite

# Two files at once, each on one thread: more threads than cores only wait for each other.
test: $(VENV)/dev system-packages check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p nca

# Damaged files for every reader, thousands of them; another SEED makes others.
CASES ?= 5000
SEED ?= 1
fuzz: $(VENV)/dev
	FUZZ_CASES=$(CASES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest tests/fuzz

# A short suite on the lowest releases that pyproject.toml allows; TORCH=2.13.0 takes another torch.
# Old releases warn of what was deprecated since; the deselected tests quote what tyro and Pillow say.
LOWEST := build/lowest
SHORT := $(addprefix tests/test_, $(addsuffix .py, rulefile images cli export_command export_importers \
         export_wgsl export_godot page_hands viewer_headless viewer_panel viewer_recording \
         viewer_state_file viewer_window style clip ddpm_data ddpm_train training_callbacks \
         training_records evaluation))
lowest:
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet $$($(PYTHON) tests/lowest.py $(TORCH))
	$(LOWEST)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -o filterwarnings=default -p no:warnings $(SHORT) \
	  -k 'not wrong_use and not YCbCr'

$(VENV)/base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[all,dev]'
	@touch $@ $(VENV)/base

# Installed where this machine allows it, else named.
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
