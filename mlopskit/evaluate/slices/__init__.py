"""Slices: where the model errs most, found exactly on validation rows, confirmed or not on test rows, and why."""
