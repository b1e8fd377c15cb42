"""What a run needs, found and checked before its first point."""
