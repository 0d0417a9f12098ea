"""Imports `main` as on a machine without any engine library: a node must be able to say so."""

import sys

ENGINE_LIBRARIES = ("llama_cpp", "mlx", "mlx_lm")

if __name__ == "__main__":
    # None in sys.modules makes an import fail as if nothing were installed.
    sys.modules.update(dict.fromkeys(ENGINE_LIBRARIES))  # pyright: ignore[reportCallIssue, reportArgumentType]
    __import__("main")
