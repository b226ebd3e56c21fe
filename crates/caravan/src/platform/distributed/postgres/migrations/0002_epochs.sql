-- Where this data has lived until now, and in which epoch. A database that is put back from a copy has another identity
-- than the one it remembers: what it decides from then on is told by other events than what it has forgotten.
CREATE TABLE epochs (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Empty until the first look.
    identity text NOT NULL DEFAULT '',
    -- None in the first one.
    epoch    uuid
);
INSERT INTO epochs DEFAULT VALUES;
