"""What connectors give to the house."""

from vault.rooms import Room

ROOM = Room(name="connectors")
