# What a person types; the work is done by scripts/, which also run where there is no make.
#   make            install what a node needs and start it
#   make test       install everything, then check and test
#   make setup      only .venv, with everything, and the engine
#   PYTHON=python3.12   another Python than python3, where that is older than 3.11
#   ENGINE=cpu|cuda|metal|hip|vulkan   another engine than the one setup chooses
#   MLX=yes|no      with or without the MLX engine; by itself only on Apple Silicon
#   ARGS="..."      more flags for main.py
PYTHON ?= python3
ENGINE ?= auto
MLX ?= auto
ARGS ?=

.PHONY: run setup check test clean

run:
	@$(PYTHON) scripts/setup.py --runtime --engine $(ENGINE) --mlx $(MLX)
	@exec .venv/bin/python main.py --auto $(ARGS)

setup:
	@$(PYTHON) scripts/setup.py --engine $(ENGINE) --mlx $(MLX)

check: setup
	@.venv/bin/python -m scripts.check

test: check
	@.venv/bin/python -m scripts.test

clean:
	rm -rf .venv build
