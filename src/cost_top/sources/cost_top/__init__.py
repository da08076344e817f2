"""Another cost-top, asked over its `serve`."""
