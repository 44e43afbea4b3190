"""Receives shop events over HTTP: a Flask blueprint for a host's app, and an app of its own."""

from lengow.webhooks.receiver import LARGEST_BODY, blueprint, create_app

__all__ = ["LARGEST_BODY", "blueprint", "create_app"]
