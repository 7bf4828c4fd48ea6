"""Bookshop, the demo vendor: what a vendor builds on `vendor_client`, using nothing private.

Everything stands in memory and ends with the process. Runs on loopback only.
"""

from connectors.demo_shop.shop import create_shop

__all__ = ["create_shop"]
