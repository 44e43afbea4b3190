"""Works, waits for a line of input, forks, and lets the child work: its exit code is this one's."""

import os
import sys

from lengow.connector import Connector, Settings

connector = Connector(Settings.load())
[first] = connector.sync()
assert not first.errors
sys.stdin.readline()
child = os.fork()
if child == 0:
    [second] = connector.sync()
    os._exit(len(second.errors))
_, status = os.waitpid(child, 0)
[third] = connector.sync()
connector.close()
sys.exit(os.waitstatus_to_exitcode(status) + len(third.errors))
