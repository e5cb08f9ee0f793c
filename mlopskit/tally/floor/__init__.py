"""The privacy floor: which counts of few people are withheld, so that they cannot be had by subtraction either."""
