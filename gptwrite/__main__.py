"""`python -m gptwrite`."""

import sys

from gptwrite.cli import main

if __name__ == "__main__":
    sys.exit(main())
