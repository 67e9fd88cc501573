-- The ledger becomes a chain that survives erasure: what is personal about an event lies in a row of its own that can go;
-- the event keeps a salted digest of it, and is chained to the one before.

-- What is a person's own about an event. The salt is drawn when the event is sealed: with the row it goes too, and the
-- digest that stays can't be tried out against all numbers there are.
CREATE TABLE event_details (
    event_id BIGINT PRIMARY KEY,
    salt TEXT,
    phone TEXT,
    source TEXT NOT NULL,
    evidence TEXT
);
INSERT INTO event_details (event_id, phone, source, evidence)
    SELECT e.id, c.phone, e.source, e.evidence FROM events e LEFT JOIN contacts c ON c.id = e.contact_id;
ALTER TABLE events DROP COLUMN source;
ALTER TABLE events DROP COLUMN evidence;

-- Set once, when the event is sealed, and never again: SHA-256 over its details, and over the link before and itself.
ALTER TABLE events ADD COLUMN seal BIGINT;
ALTER TABLE events ADD COLUMN digest TEXT;
ALTER TABLE events ADD COLUMN link TEXT;
CREATE INDEX events_by_seal ON events (seal, id) WHERE seal IS NOT NULL;
CREATE INDEX events_unsealed ON events (id) WHERE seal IS NULL;

-- One seal holds some events in the order of their ids. An event that commits late is in a later seal than its id says.
CREATE TABLE seals (
    id BIGINT PRIMARY KEY,
    events BIGINT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL
);
-- Whoever seals takes this row first: one at a time.
INSERT INTO meta (name, value) VALUES ('sealer', '');

-- The wording that people were shown, by version: a text never changes under its version.
CREATE TABLE wordings (
    list TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (list, version)
);

-- What is emptied points here.
INSERT INTO bodies (id, body) VALUES (0, '');
-- Erasure asks whose a text is besides, and what is known of a message.
CREATE INDEX messages_by_body ON messages (body_id) WHERE body_id <> 0;
CREATE INDEX reports_by_message ON reports (message_id);
CREATE INDEX reports_by_age ON reports (received_at);
CREATE INDEX inbounds_by_age ON inbounds (received_at) WHERE sender <> '';
CREATE INDEX inbounds_unread ON inbounds (received_at) WHERE needs_person = TRUE;

-- `night`: the hour of the last nightly sweep that was done, who does it until when, and what it removed. `event_details`:
-- what entries of the ledger rest on is gone up to this hour, but for those of consent.
CREATE TABLE sweeps (
    name TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    removed TEXT NOT NULL
);
INSERT INTO sweeps (name, at, lease_until, removed) VALUES ('night', 0, 0, '');
