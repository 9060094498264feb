"""Tests, and the agents and fixtures they share; run from the top of the tree."""
