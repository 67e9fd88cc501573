-- What was loaded from spreadsheets, so that it can be looked at and undone.

CREATE TABLE imports (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    -- The file's name, without its folder.
    file TEXT NOT NULL,
    hash TEXT NOT NULL,
    list TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    finished_at BIGINT,
    undone_at BIGINT
);
-- A load that was killed in the middle is carried on under its own id.
CREATE UNIQUE INDEX imports_open ON imports (list, hash) WHERE finished_at IS NULL;

-- What an import did to a contact: `added`, `changed` or `removed`, and what was before. Whoever forgets a contact forgets
-- these rows too: they hold names.
CREATE TABLE import_rows (
    import_id BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    did TEXT NOT NULL,
    PRIMARY KEY (import_id, contact_id)
);
CREATE INDEX import_rows_by_contact ON import_rows (contact_id);
