"""This machine: its hardware, isolated processes, files whole or absent."""
