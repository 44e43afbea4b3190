import sys

from lengow.sandbox.command import main

sys.exit(main())
