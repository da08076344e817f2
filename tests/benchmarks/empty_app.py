"""The least a Textual app can show: what a first frame is measured against."""

from __future__ import annotations

if __name__ == "__main__":
    from textual.app import App, ComposeResult
    from textual.widgets import Static

    class EmptyApp(App[None]):
        """One word."""

        def compose(self) -> ComposeResult:
            """Compose it."""
            yield Static("ready")

    EmptyApp().run()
