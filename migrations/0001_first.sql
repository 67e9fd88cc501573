-- One text for SQLite and PostgreSQL. Instants are milliseconds since 1970 (UTC); ids are given out by `id_blocks`;
-- states and kinds are words, so that a person with a database shell can read the rows.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row: the first id not yet given out.
CREATE TABLE id_blocks (
    next BIGINT NOT NULL
);
INSERT INTO id_blocks (next) VALUES (1);

CREATE TABLE contacts (
    id BIGINT PRIMARY KEY,
    phone TEXT NOT NULL UNIQUE,
    phone_hash TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    name TEXT,
    language TEXT,
    internet TEXT NOT NULL,
    tags TEXT NOT NULL,
    held_for TEXT
);
CREATE INDEX contacts_by_hash ON contacts (phone_hash);

-- What the ledger adds up to, per contact and list. The claim reads it, and locks it on PostgreSQL.
CREATE TABLE consents (
    contact_id BIGINT NOT NULL REFERENCES contacts (id),
    list TEXT NOT NULL,
    standing TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (contact_id, list)
);
CREATE INDEX consents_by_list ON consents (list, contact_id);

-- Numbers that must not be texted, as a keyed hash: outlives the contact.
CREATE TABLE suppressions (
    phone_hash TEXT PRIMARY KEY,
    key_version BIGINT NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL
);

-- The ledger: appended to, never changed.
CREATE TABLE events (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    contact_id BIGINT,
    list TEXT,
    campaign TEXT,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    wording TEXT,
    evidence TEXT
);
CREATE INDEX events_by_contact ON events (contact_id, id);

CREATE TABLE inbounds (
    id BIGINT PRIMARY KEY,
    gateway TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    contact_id BIGINT,
    sender TEXT NOT NULL,
    body TEXT NOT NULL,
    meaning TEXT NOT NULL,
    needs_person BOOLEAN NOT NULL,
    received_at BIGINT NOT NULL,
    closed_at BIGINT,
    UNIQUE (gateway, gateway_id)
);
CREATE INDEX inbounds_by_contact ON inbounds (contact_id, id);

CREATE TABLE campaigns (
    id TEXT PRIMARY KEY,
    list TEXT NOT NULL,
    -- Grows with every change of file or state.
    revision BIGINT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    -- All occurrences up to this instant have been dealt with.
    planned_until BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- While a row is here, nothing is claimed. `all`: a person paused everything; `line`: a person, or the gateway barred us.
CREATE TABLE pauses (
    name TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL
);

CREATE TABLE dones (
    contact_id BIGINT NOT NULL,
    campaign TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (contact_id, campaign)
);

-- An occurrence cannot exist twice.
CREATE TABLE broadcasts (
    id BIGINT PRIMARY KEY,
    campaign TEXT NOT NULL,
    step TEXT NOT NULL,
    local_time TEXT NOT NULL,
    pass BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    fate TEXT NOT NULL,
    reason TEXT,
    -- The highest contact id already looked at.
    filled_to BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    UNIQUE (campaign, step, local_time, pass)
);

-- How many people get nothing from a broadcast, and why.
CREATE TABLE passed_over (
    broadcast_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    people BIGINT NOT NULL,
    PRIMARY KEY (broadcast_id, reason)
);

-- Identical texts are stored once; the id is taken from the text's SHA-256.
CREATE TABLE bodies (
    id BIGINT PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE messages (
    id BIGINT PRIMARY KEY,
    contact_id BIGINT NOT NULL REFERENCES contacts (id),
    broadcast_id BIGINT,
    inbound_id BIGINT,
    campaign TEXT,
    list TEXT,
    reply TEXT,
    body_id BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    attempts BIGINT NOT NULL,
    -- Which start of the worker claimed it; an outcome of another one changes nothing.
    epoch BIGINT NOT NULL,
    gateway_id TEXT,
    -- In doubt: when the gateway is asked next, and how often it did not know the message.
    -- Accepted: when it is closed if no report comes.
    ask_at BIGINT,
    absent BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    claimed_at BIGINT,
    answered_at BIGINT,
    ended_at BIGINT
);
-- One text per contact and broadcast, one answer of a kind per inbound text.
CREATE UNIQUE INDEX messages_once ON messages (broadcast_id, contact_id) WHERE broadcast_id IS NOT NULL;
CREATE UNIQUE INDEX messages_one_answer ON messages (inbound_id, reply) WHERE inbound_id IS NOT NULL;
CREATE INDEX messages_due ON messages (not_after, id) WHERE state = 'queued';
CREATE INDEX messages_next ON messages (not_before) WHERE state = 'queued';
CREATE INDEX messages_held ON messages (not_after) WHERE state = 'held';
CREATE INDEX messages_open ON messages (state, ask_at) WHERE state IN ('submitting', 'in_doubt');
CREATE INDEX messages_unreported ON messages (ask_at) WHERE state = 'accepted';
CREATE INDEX messages_by_contact ON messages (contact_id, id);

CREATE TABLE reports (
    id BIGINT PRIMARY KEY,
    gateway TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    message_id BIGINT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (gateway, fingerprint)
);
