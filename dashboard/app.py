"""The dashboard: `panel serve dashboard/app.py`. Closed to anyone who is not signed in."""

from dashboard.page import serve

serve()
