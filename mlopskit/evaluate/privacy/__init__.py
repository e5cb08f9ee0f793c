"""The privacy floor: counts of few people are not shown, nor can they be had by subtraction."""
