"""Surrogates, acquisitions and candidates of the Bayesian search."""
