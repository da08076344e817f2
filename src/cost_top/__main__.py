"""`cost-top` and `python -m cost_top`."""

import os


def main() -> None:
    """Run; Ctrl-C ends it quietly also while the modules are being loaded."""
    try:
        from cost_top.cli import main as run

        run()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    main()
