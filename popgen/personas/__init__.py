"""Personas: people whom a language model plays: asked for, diagnosed and calibrated."""
