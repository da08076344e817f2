"""`cost-top` and `python -m cost_top`."""

import os


def main() -> None:
    """Run; Ctrl-C ends it quietly also while the modules are being loaded."""
    try:
        _heed_signals()
        from cost_top.cli import main as run

        run()
    except KeyboardInterrupt:
        os._exit(130)


def _heed_signals() -> None:
    """What ends a process reaches this one, also where what started it held signals back: that is inherited."""
    import signal

    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


if __name__ == "__main__":
    main()
