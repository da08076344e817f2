"""The report APIs of gateways and providers, one module each."""
