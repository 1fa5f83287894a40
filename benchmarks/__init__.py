"""Benchmarks: ``python -m benchmarks NAME --json PATH|-``; ratios are measured side by side in one run."""
