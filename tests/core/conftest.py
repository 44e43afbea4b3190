"""Property tests are not timed: a machine may be busy."""

from hypothesis import settings

settings.register_profile("lengow", deadline=None)
settings.load_profile("lengow")
