"""Households and persons in nested zones: one calibration for all levels, then whole households."""
