"""Predicts a fan-out past this machine: rates that were measured here, figures that others document, assumptions."""
