# Two commands do everything: "make study" and "make test". Both first build .venv from the pinned requirements.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || echo 2)
GPUS ?= $(shell nvidia-smi --list-gpus 2>/dev/null | wc -l)
BIN := .venv/bin

.PHONY: study test lint docs benchmarks clean
.DELETE_ON_ERROR:

# Run the study named in config.yaml (mnist_quick). Another one, or several: make study STUDY="bendaya2020_mnist su2018"
STUDY ?= $(shell sed -n 's/^study: *\([^ ]*\).*/\1/p' config.yaml)
study: .venv/installed
	@set -e; for study in $(STUDY); do \
		$(BIN)/snakemake --cores $(CORES) $(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS)) --config study=$$study; \
	done

# One worker more than cores: the test on a real SLURM, and real runs, wait as much as they compute.
test: .venv/installed-dev
	$(BIN)/python -m pytest -n $$(( $(CORES) + 1 )) --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/python tests/snakemake_lint.py

docs: .venv/installed-dev
	env NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

benchmarks: .venv/installed-dev
	$(BIN)/python -m benchmarks.attacks
	$(BIN)/python benchmarks/one_pixel.py

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Advatlas needs Python 3.11 or later; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "Python cannot make virtual environments here; on Debian: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt requirements-rivals.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-rivals.txt
	touch $@

clean:
	rm -rf .venv .snakemake site
