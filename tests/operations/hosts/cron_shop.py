from lengow.connector import Connector, Settings

with Connector(Settings.load("lengow.toml")) as connector:
    for round_ in connector.sync():
        if round_.imported is None or round_.imported.error or round_.errors:
            raise SystemExit(3)
