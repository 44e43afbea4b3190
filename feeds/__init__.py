"""Product feeds for Lengow: built from the shops' products or your own, one offer in one feed only.

from lengow import feeds

feeds.build(connector, "manomano")
app.register_blueprint(feeds.blueprint(connector.settings), url_prefix="/lengow")
"""

from lengow.connector.catalogue import CatalogueProduct
from lengow.feeds.building import FeedReport, Report, build, build_all, check
from lengow.feeds.diff import Change, diff
from lengow.feeds.errors import FeedCollapsed, FeedRefused, FeedUnreadable
from lengow.feeds.offers import Problem
from lengow.feeds.products import read_products
from lengow.feeds.serving import blueprint
from lengow.feeds.settings import Feed, read_feeds

__all__ = [
    "CatalogueProduct",
    "Change",
    "Feed",
    "FeedCollapsed",
    "FeedRefused",
    "FeedReport",
    "FeedUnreadable",
    "Problem",
    "Report",
    "blueprint",
    "build",
    "build_all",
    "check",
    "diff",
    "read_feeds",
    "read_products",
]
