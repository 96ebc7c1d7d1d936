"""What is built can be installed, and goes again."""
