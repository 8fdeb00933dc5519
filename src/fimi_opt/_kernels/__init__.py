"""Jitted inner loops: leaves that see only arrays and scalars."""
