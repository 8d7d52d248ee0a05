"""What the feed holds: pages, the timeline, exports."""
