from flask import Flask

from lengow import webhooks
from lengow.connector import Connector, Settings

connector = Connector(Settings.load())
app = Flask(__name__)
app.register_blueprint(webhooks.blueprint(connector), url_prefix="/lengow")
