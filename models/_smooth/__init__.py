"""Learners whose predictions are smooth or linear in the features."""
