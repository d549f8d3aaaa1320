"""Live streams to servers that are measured: what is sent, what a server says about the text, and how it can fail.

session        what a stream is to the player, and what a protocol is to a connection
realtime       OpenAI's Realtime API for transcription
whisperlivekit WhisperLiveKit's own protocol
websocket      either of them over a connection
target         which server, in which protocol
"""
