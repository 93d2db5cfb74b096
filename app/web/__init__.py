"""The HTTP side: pages, flags, uploads, health and figures."""
