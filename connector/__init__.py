"""lengow-connector: marketplace orders from Lengow into a shop, exactly once, and their shipments back.

from lengow.connector import Connector, Settings

connector = Connector(Settings.load("lengow.toml"))
connector.sync()
"""

from lengow.connector.connector import AccountRound, Connector
from lengow.connector.errors import ActionInvalid, LengowError, OrderUnknown, SettingsError, ToggleUnsupported
from lengow.connector.settings import Account, Settings, Shop, Store

__all__ = [
    "Account",
    "AccountRound",
    "ActionInvalid",
    "Connector",
    "LengowError",
    "OrderUnknown",
    "Settings",
    "SettingsError",
    "Shop",
    "Store",
    "ToggleUnsupported",
]
