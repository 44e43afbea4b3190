"""Lengow's API: one client an account, shared by threads."""

from lengow.connector.client.api import Action, LengowClient, OrdersPage
from lengow.connector.client.limiter import Limiter

__all__ = ["Action", "LengowClient", "Limiter", "OrdersPage"]
