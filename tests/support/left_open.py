"""Connections that nobody closed: they are found in whichever test comes later, so each knows where it was opened."""

from __future__ import annotations

import os
import traceback
import warnings

from adbc_driver_manager import dbapi


def name_who_opened() -> None:
    """From now on what is said of a connection that was left open names the test that opened it, and where."""
    opened = dbapi.Connection.__init__

    def init(self: dbapi.Connection, *arguments: object, **options: object) -> None:
        opened(self, *arguments, **options)
        place = "".join(traceback.format_stack(limit=12)[:-1])
        self._opened_by = f"{os.environ.get('PYTEST_CURRENT_TEST', 'no test')}:\n{place}"

    def delete(self: dbapi.Connection) -> None:
        if not getattr(self, "_closed", True):
            self.close()
            warnings.warn(f"left open by {self._opened_by}", ResourceWarning, source=self, stacklevel=1)

    dbapi.Connection.__init__ = init  # type: ignore[method-assign]
    dbapi.Connection.__del__ = delete  # type: ignore[method-assign]
