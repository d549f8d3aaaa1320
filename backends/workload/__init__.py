"""The operations of one Whisper call."""
