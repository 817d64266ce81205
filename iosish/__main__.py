"""`python -m iosish`."""

import sys

from iosish.command import main

sys.exit(main())
