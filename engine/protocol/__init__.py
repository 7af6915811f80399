"""The v3 frontend/backend protocol: bytes to messages and back, without any input or output."""
