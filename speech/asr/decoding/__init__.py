"""From audio to text: encoder and decoder for inference, rules of tokens, batches, whisper.transcribe's loop."""
