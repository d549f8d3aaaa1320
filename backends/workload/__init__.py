"""The operations of one call, with shapes, FLOPs and bytes.

cutting       how strategies cut live audio into calls: when they come, what they decode, when words are shown
pieces        calls that follow pauses, as they were measured
windows       from a window of audio to the workload of its call
drafting      calls that are decoded with a draft
whatif        calls of decoders that do not exist: mixtures of experts, diffusion
decoder_only  calls of language models
workload      a batch of calls of Whisper, and its operations in closed form
builder       the operations of Whisper's modules, piece by piece
models        the dimensions of every Whisper
op            one operation; Whisper's constants
"""
