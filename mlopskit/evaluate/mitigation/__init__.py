"""Mitigation: what lowers a gap between groups, side by side, and what each costs."""
