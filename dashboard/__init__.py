"""The page: reads the feed and shows it."""
