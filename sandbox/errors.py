class SandboxError(Exception):
    """The sandbox was asked for something that it cannot do; the message says what."""
