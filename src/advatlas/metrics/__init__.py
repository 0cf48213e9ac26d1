"""Measures: distortion, structural similarity, rates with their intervals."""
