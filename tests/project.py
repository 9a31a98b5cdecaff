"""Paths of the project's files."""

from pathlib import Path

PROJECT = Path(__file__).parents[1]
SAMPLES = PROJECT / "samples"
INSTALLATION = PROJECT / "src" / "paymentagg" / "entrypoints" / "console" / "installation"
