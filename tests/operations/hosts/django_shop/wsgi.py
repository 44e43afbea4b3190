import os

from django.core.wsgi import get_wsgi_application
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from django_shop.shop import connector
from lengow import webhooks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop.settings")
application = DispatcherMiddleware(get_wsgi_application(), {"/lengow": webhooks.create_app(connector)})
