"""The archive: every change, masked and before the join, in Parquet files, so that the past can be read again.

    schema    the columns, and changes to and from them (pure)
    typed     the types that plain JSON does not tell, beside it (pure)
    layout    how folders and files are called (pure)
    chapter   what is written beside the files: what they hold, and up to when
    tables    which rows of a table, in which order (pure)
    listing   the files of a chapter, and what is wrong with one
    reading   changes in the order in which they were emitted
    versions  the past of single rows; referring, clocks: what it asks of a file
    moment    a moment of the past, and which changes had happened by then (pure)
    travel    a joined row at a moment, and all its versions; past: how they are made (pure), ranges: what can be told
    upkeep    beside the job: compaction of parts to segments; retention, which folds old hours into the image

`docs/archive.md` describes the files for whoever reads them with other tools.
"""
