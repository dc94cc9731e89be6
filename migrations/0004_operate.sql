-- What people tell a running service, and what speaks for trusting it: commands on their way, checks of the ways of
-- containing, false alarms, and how far automation may go at each gate now.

CREATE TABLE commands (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id    text        NOT NULL,
    replica     text        NOT NULL,
    kind        text        NOT NULL
        CHECK (kind IN ('contain', 'false_alarm', 'stop', 'set_mode', 'trust', 'canary')),
    command     jsonb       NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    state       text        NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'taken', 'answered', 'refused', 'cancelled', 'expired')),
    digest      bytea       CHECK (octet_length(digest) = 32),
    answer      jsonb,
    answered_at timestamptz
);
CREATE INDEX commands_open ON commands (group_id, replica) WHERE state IN ('waiting', 'taken');
COMMENT ON TABLE commands IS 'What people tell the engine of a log. The running service takes a row within a second, logs it as an input, and answers.';
COMMENT ON COLUMN commands.id IS 'Order of arrival.';
COMMENT ON COLUMN commands.group_id IS 'Linked group.';
COMMENT ON COLUMN commands.replica IS 'Name of the log.';
COMMENT ON COLUMN commands.kind IS 'Kind of the command; the service refuses a row whose command is of another kind.';
COMMENT ON COLUMN commands.command IS 'The command with its fields.';
COMMENT ON COLUMN commands.asked_at IS 'By the clock of the database. What lends trust waits from here on.';
COMMENT ON COLUMN commands.state IS 'waiting; taken by the service; answered from the log; refused; cancelled by a false alarm; expired because nobody took it.';
COMMENT ON COLUMN commands.digest IS 'Hash of the command as it was given to the engine: by it the record of the log finds its row.';
COMMENT ON COLUMN commands.answer IS 'What came of it, or why it was refused.';
COMMENT ON COLUMN commands.answered_at IS 'When.';

CREATE TABLE checks (
    group_id text    NOT NULL,
    replica  text    NOT NULL,
    seq      bigint  NOT NULL,
    ordinal  integer NOT NULL,
    target   text    NOT NULL,
    kind     text    NOT NULL CHECK (kind IN ('rehearsal', 'canary', 'gas')),
    ok       boolean NOT NULL,
    failing  jsonb   NOT NULL,
    took_ms  bigint  NOT NULL,
    at_ms    bigint  NOT NULL,
    PRIMARY KEY (group_id, replica, seq, ordinal)
);
CREATE INDEX checks_target ON checks (target, kind, at_ms DESC);
COMMENT ON TABLE checks IS 'Checks of the ways of containing, from the log.';
COMMENT ON COLUMN checks.group_id IS 'Linked group.';
COMMENT ON COLUMN checks.replica IS 'Name of the log.';
COMMENT ON COLUMN checks.seq IS 'Record of the log that led to it.';
COMMENT ON COLUMN checks.ordinal IS 'Position among the effects of that record.';
COMMENT ON COLUMN checks.target IS 'Configured name of the gate.';
COMMENT ON COLUMN checks.kind IS 'rehearsal: simulated; canary: a scope that nobody asks was closed; gas: money left for the hour.';
COMMENT ON COLUMN checks.ok IS 'Whether nothing would fail.';
COMMENT ON COLUMN checks.failing IS 'What would fail, with cause and fix.';
COMMENT ON COLUMN checks.took_ms IS 'How long it took.';
COMMENT ON COLUMN checks.at_ms IS 'When.';

CREATE TABLE false_alarms (
    group_id    text   NOT NULL,
    replica     text   NOT NULL,
    incident_id bytea  NOT NULL CHECK (octet_length(incident_id) = 32),
    said_by     text   NOT NULL,
    reason      text   NOT NULL,
    at_ms       bigint NOT NULL,
    PRIMARY KEY (group_id, replica, incident_id)
);
COMMENT ON TABLE false_alarms IS 'Incidents that people judged to be nothing, from the log.';
COMMENT ON COLUMN false_alarms.group_id IS 'Linked group.';
COMMENT ON COLUMN false_alarms.replica IS 'Name of the log.';
COMMENT ON COLUMN false_alarms.incident_id IS 'Which.';
COMMENT ON COLUMN false_alarms.said_by IS 'Who.';
COMMENT ON COLUMN false_alarms.reason IS 'Why.';
COMMENT ON COLUMN false_alarms.at_ms IS 'When.';

ALTER TABLE gates
    ADD COLUMN standing_mode text,
    ADD COLUMN mode_until_ms bigint,
    ADD COLUMN mode_why      text,
    ADD COLUMN mode_at_ms    bigint;
COMMENT ON COLUMN gates.mode IS 'How far automation may go there by the configuration.';
COMMENT ON COLUMN gates.standing_mode IS 'How far it may go now, where people or a false alarm changed it; null where the configuration holds.';
COMMENT ON COLUMN gates.mode_until_ms IS 'Until when that was lent; null where it does not run out.';
COMMENT ON COLUMN gates.mode_why IS 'Who changed it and why.';
COMMENT ON COLUMN gates.mode_at_ms IS 'When.';
