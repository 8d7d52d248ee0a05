"""The live tables: one reader for all viewers, what each lens shows, rows and fan-outs."""
