"""The edges of DB Watch: they talk to MongoDB and Redis and know nothing of joins or pages."""
