"""Learners that end in trees, and the arrays that all of them predict by."""
