"""Systems that are measured instead of simulated: text and time are their own.

`rest` and `wire` import the package `openai`, which takes most of a second and is an extra; so they are imported
where an endpoint is asked, and nowhere else.

    rest       an OpenAI-compatible endpoint for files, `/v1/audio/transcriptions`, by the official SDK
    wire       below one request: connections, deadlines, and why it failed
    records    what an endpoint is asked with, what it answers, and every attempt at it
    exchange   sound as it is sent, words of a server as they are repeated
    budget     how many requests may be made, and what they may cost
    address    where an endpoint is, by the name of its backend
    profile    what was measured of Whisper on one machine, every value kept, and where such files lie
    surface    seconds between measured points
    here       this machine as a backend, by its profile
    streams    servers that hear live streams, over WebSockets

A key comes from the environment alone. It is in no record, message or file: `address.Key` hides it.
"""
