"""The archive: every change, masked and before the join, in Parquet files, so that the past can be read again.

    schema         the columns, and changes to and from them (pure)
    typed          the types that plain JSON does not tell, beside it (pure)
    layout         how folders and files are called (pure)
    settings       the table `[archive]`, and the setting that wins over it (pure)
    chapter        what is written beside the files: what they hold, and up to when

    source         a source whose changes go into the archive; writer, commits, files, patience: how they get there
    taking_back    what a restart takes back
    image          the rows that a chapter begins with in the middle of a job; sorting: by key
    upkeep         beside the job: compaction of parts to segments; retention, and folding of old hours into the image;
                   sorted_files: what both write

    tables         which rows of a table, in which order (pure)
    listing        the files of a chapter, and what is wrong with one; gaps: which are missing (pure)
    reading        changes in the order in which they were emitted
    versions       the past of single rows; referring, clocks: what it asks of a file
    moment         a moment of the past, and which changes had happened by then (pure)
    travel         a joined row at a moment, and all its versions; past: how they are made, key_forms: keys as a person
                   types them (pure); ranges: what can be told
    replay_source  the archive as a source; replay_reading, replay_tail: what it reads; replay_state: how far it is

`docs/archive.md` describes the files for whoever reads them with other tools.
"""
