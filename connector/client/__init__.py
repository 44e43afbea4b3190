"""Lengow's API: one client an account (`api.LengowClient`), shared by threads."""
