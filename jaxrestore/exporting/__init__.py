"""Restoring networks as files that other programs run: ONNX and StableHLO."""
