"""What a feed is refused for. Settings that are wrong are a SettingsError, as everywhere."""

from lengow.connector.errors import LengowError


class FeedRefused(LengowError):
    """The feed was not written; the file that was there stays."""

    code = "feed_refused"
    what_to_do = "`lengow-connector feed check` lists what is missing in each product."


class FeedBusy(FeedRefused):
    """Another process is building the same feeds."""

    code = "feed_busy"
    what_to_do = "Wait for it; it builds the same feeds."


class FeedUnwritable(FeedRefused):
    """The feed's file could not be written; the one that was there stays."""

    code = "feed_unwritable"
    what_to_do = "See that its folder is there and may be written to, and that the disk is not full."


class BuildEnded(LengowError):
    """The build was given up; the files that were there stay."""

    code = "build_ended"
    what_to_do = "Nothing: it is begun anew."


class FeedCollapsed(FeedRefused):
    """The feed would lose more offers than `collapse_guard` allows; the file that was there stays."""

    code = "feed_collapsed"
    what_to_do = "Look for what took the offers away; if they are to go, build with --force."


class FeedUnreadable(LengowError):
    """The file is no feed of ours."""

    code = "feed_unreadable"
    what_to_do = "Name a feed file that `lengow-connector feed build` wrote."
