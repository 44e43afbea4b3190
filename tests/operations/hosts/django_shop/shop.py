from lengow.connector import Connector, Settings

connector = Connector(Settings.load())
