"""Declared groups: every metric with its interval, gaps beside chance, the kinds of fairness, calibration."""
