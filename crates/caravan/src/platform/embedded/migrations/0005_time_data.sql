-- With which version of the time zone data every plan under way was last found to lie where its time is reserved.
CREATE TABLE time_data (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    version  TEXT NOT NULL,
    noted_at TEXT NOT NULL
);
