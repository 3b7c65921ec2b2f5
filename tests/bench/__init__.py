"""Benchmarks of DESIGN section 11: each a ratio, measured in one run on one machine. See README.md."""
