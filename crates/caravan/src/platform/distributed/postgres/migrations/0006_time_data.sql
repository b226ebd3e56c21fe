-- With which version of the time zone data every plan under way was last found to lie where its time is reserved.
CREATE TABLE time_data (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  text NOT NULL,
    noted_at timestamptz NOT NULL
);
