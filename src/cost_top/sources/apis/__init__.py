"""Report APIs, one module each: questions out, figures in."""
