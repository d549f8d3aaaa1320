"""Earspan: how much audio an accelerator can afford to hear at once, and what that does to the word error rate."""
