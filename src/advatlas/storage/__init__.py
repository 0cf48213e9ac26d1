"""Artifacts on disk: Parquet with known columns, written whole or not at all; tensors in Parquet; fingerprints."""
