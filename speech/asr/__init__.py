"""Whisper as it hears: model, features, engines, cache, attention."""
