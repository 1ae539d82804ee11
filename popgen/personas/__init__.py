"""Personas: people whom a language model plays, and what can be known of them."""
