#!/usr/bin/env python
"""Django's command line; ``lb`` is the same program."""

from lbsite.cli import main

if __name__ == "__main__":
    main()
