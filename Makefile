# Two commands on a fresh machine: `make demo` runs the main job, `make test` passes the tests.
# Both make the environment in .venv first; a second call finds it made.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Every worker of pytest has one core, so BLAS takes one thread in it; processes that tests start find compiled modules.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: demo test test-quick docs pictures lint bench bench-peers bench-layer clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/python examples/topic_tree.py

test: $(VENV)/installed
	$(PYTEST)

test-quick: $(VENV)/installed
	$(PYTEST) -m "not slow"

$(VENV)/docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "the documents are in output/site/index.html"

# Draws the pictures of the gallery again; they are kept beside the documents.
PICTURES := topic_tree few_labels il2_response covid_serology indian_pines indian_pines_unmixing missing_data coupled_data counts \
	nnls_block

pictures: $(VENV)/installed
	for name in $(PICTURES); do $(BIN)/python examples/$$name.py --output output/pictures/$$name.png || exit 1; done
	cp output/pictures/*.png docs/pictures/

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/installed
	$(BIN)/python benchmarks/nnls.py
	$(BIN)/python benchmarks/hard_nnls.py
	$(BIN)/python benchmarks/reference_matrix.py
	$(BIN)/python benchmarks/text.py
	$(BIN)/python benchmarks/threads.py
	$(BIN)/python benchmarks/reference_tensor.py
	$(BIN)/python benchmarks/ncpd.py
	$(BIN)/python benchmarks/tensor_epoch.py
	$(BIN)/python benchmarks/table1.py
	$(BIN)/python benchmarks/minibatch.py
	$(BIN)/python benchmarks/regimes.py
	$(BIN)/python benchmarks/sparse_tensor.py
	$(BIN)/python benchmarks/ranks.py --text

$(VENV)-peers/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --constraint constraints.txt NeuralNMF ssnmf --editable .
	touch $@

$(VENV)-metrics/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-metrics
	$(VENV)-metrics/bin/python -m pip install --quiet --constraint constraints.txt tlviz gensim hiclass --editable .
	touch $@

bench-peers: $(VENV)-peers/installed $(VENV)-metrics/installed
	$(VENV)-peers/bin/python benchmarks/epoch.py
	$(VENV)-peers/bin/python benchmarks/semi_supervised.py
	$(VENV)-metrics/bin/python benchmarks/metrics_peers.py

# Differentiable layers of others; their pins conflict.
LAYERS_jax := jaxnnls qpax jaxopt optax
LAYERS_torch := torch proxsuite cvxpylayers
LAYERS_qpth := torch qpth

$(VENV)-peers-%/installed: constraints.txt
	$(PYTHON) -m venv $(VENV)-peers-$*
	$(VENV)-peers-$*/bin/python -m pip install --quiet --constraint constraints.txt $(LAYERS_$*)
	touch $@

bench-layer: $(VENV)/installed $(VENV)-peers-jax/installed $(VENV)-peers-torch/installed $(VENV)-peers-qpth/installed
	$(BIN)/python benchmarks/layer.py

clean:
	rm -rf $(VENV) $(VENV)-peers* $(VENV)-metrics .mypy_cache .pytest_cache .ruff_cache .hypothesis output
