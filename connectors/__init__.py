"""The doors to other people's formats and systems: sources in, a vendor's client library and the demo shop out."""
