"""`python -m cost_top`."""

from cost_top.cli import main

main()
