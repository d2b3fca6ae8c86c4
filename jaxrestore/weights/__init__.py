"""Weights in files: ours and PyTorch's, layouts, cards, and the networks that ship."""
