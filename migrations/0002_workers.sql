-- Several workers on one database, what a restore must not forget, and doubts that a policy may settle.

-- Who may claim now. A claim, and every outcome, carries the epoch of its worker; a worker whose lease has run out is
-- taken off this table, and whatever it had claimed is in doubt.
CREATE TABLE workers (
    epoch BIGINT PRIMARY KEY,
    -- Machine and process, for people.
    place TEXT NOT NULL,
    -- A keyed hash over settings, profile and credentials: all workers of one database must agree.
    agreement TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- The line to a gateway, shared by all workers: when the next request may start (in microseconds since 1970, because at
-- 300 a second a millisecond is too coarse), and how many have been given a start on a day (days since 1970, UTC).
CREATE TABLE lines (
    gateway TEXT PRIMARY KEY,
    next_us BIGINT NOT NULL,
    day BIGINT NOT NULL,
    used BIGINT NOT NULL
);

-- Grows with every commit on SQLite, and is written to a file beside the database as well: a database that is behind its
-- file was restored from a backup.
CREATE TABLE high_water (
    commits BIGINT NOT NULL
);
INSERT INTO high_water (commits) VALUES (0);

-- Messages from this id on carry this generation in their reference. A restored database begins a new one, so that an id
-- that was given out twice is never the same reference.
CREATE TABLE generations (
    first_id BIGINT PRIMARY KEY,
    generation TEXT NOT NULL
);
INSERT INTO generations (first_id, generation) SELECT 0, value FROM meta WHERE name = 'generation';

-- Reports that name no text we know yet: matched as soon as we do, forgotten after seven days.
CREATE TABLE strays (
    id BIGINT PRIMARY KEY,
    gateway TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL,
    opted_out BOOLEAN NOT NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (gateway, fingerprint)
);
CREATE INDEX strays_by_gateway_id ON strays (gateway_id);

-- Where a gateway's reports carry nothing but its own id: which text that is. Empty for all other gateways, because an
-- index on the gateway's id made each send four times dearer.
CREATE TABLE handles (
    gateway_id TEXT PRIMARY KEY,
    message_id BIGINT NOT NULL
);

-- The step says: what stays in doubt may be sent again.
ALTER TABLE messages ADD COLUMN may_resend BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX messages_unresolved ON messages (state, id) WHERE state = 'unresolved';
CREATE INDEX messages_claimed_by ON messages (epoch) WHERE state = 'submitting';
