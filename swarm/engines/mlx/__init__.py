"""The MLX engine: mlx-lm's batches of many sequences, behind the same contract as llama.cpp's."""
