"""The operator's console in the browser: a blueprint for a host's app, and a site of its own.

    app.register_blueprint(web.blueprint(connector), url_prefix="/lengow")     # beside the host's pages

Needs the extra `console`.
"""

from lengow.console.web.people import Role, User
from lengow.console.web.site import add_to, blueprint, create_site

__all__ = ["Role", "User", "add_to", "blueprint", "create_site"]
