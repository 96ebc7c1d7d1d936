"""The rows: each a question, measured beside every rival that can answer it."""
