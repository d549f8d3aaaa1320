"""From audio features to text: the encoder and decoder for inference, token rules, batches, whisper.transcribe's loop."""
