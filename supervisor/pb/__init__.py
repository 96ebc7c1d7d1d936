"""Generated from protos/ by protos/generate.py; checked in, never edited."""
