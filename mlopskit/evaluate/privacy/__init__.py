"""The privacy floor in the tables of phase 5: counts of few people are not shown, nor can they be had."""
